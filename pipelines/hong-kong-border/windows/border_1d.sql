SELECT
  site_id,
  sum(count)                                AS persons,
  sum(count) FILTER (WHERE measure = 'in')  AS persons_in,
  sum(count) FILTER (WHERE measure = 'out') AS persons_out
FROM observation
WHERE subject = 'person'
GROUP BY site_id
