-- Persons through the turnstiles of each station, and readings that are not crowds.
SELECT
  site_id,
  sum(count)                              AS persons,
  sum(count) FILTER (WHERE measure = 'in')  AS persons_in,
  sum(count) FILTER (WHERE measure = 'out') AS persons_out,
  count(*)                                AS readings,
  count(*) FILTER (WHERE quality <> 0)    AS readings_flagged
FROM observation
GROUP BY site_id
