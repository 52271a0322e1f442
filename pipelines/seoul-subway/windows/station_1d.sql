SELECT
  site_id,
  sum(count) FILTER (WHERE measure = 'in')  AS boarded,
  sum(count) FILTER (WHERE measure = 'out') AS alighted
FROM observation
GROUP BY site_id
