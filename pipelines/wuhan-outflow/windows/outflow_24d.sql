SELECT origin, site_id, sum(count) AS persons
FROM observation
GROUP BY origin, site_id
