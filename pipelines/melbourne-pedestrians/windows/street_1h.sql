SELECT site_id, sum(count) AS persons
FROM observation
GROUP BY site_id
