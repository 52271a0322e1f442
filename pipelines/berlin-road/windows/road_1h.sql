SELECT
  site_id,
  sum(count)      FILTER (WHERE subject = 'vehicle') AS vehicles,
  sum(count)      FILTER (WHERE subject = 'person')  AS persons,
  sum(count_low)  FILTER (WHERE subject = 'person')  AS persons_low,
  sum(count_high) FILTER (WHERE subject = 'person')  AS persons_high
FROM observation
GROUP BY site_id
