-- Persons into and out of each venue: through its gates and, at stations, by train.
SELECT
  venue_id,
  sum(count) FILTER (WHERE measure = 'in')  AS persons_in,
  sum(count) FILTER (WHERE measure = 'out') AS persons_out,
  max(interval_end)                         AS newest
FROM observation
WHERE feed IN ('venue', 'rail') AND subject = 'person' AND venue_id IS NOT NULL
GROUP BY venue_id
