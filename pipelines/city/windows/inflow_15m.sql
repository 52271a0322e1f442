-- Persons who entered by rail or road, by site and origin.
SELECT
  site_id,
  coalesce(origin, 'unknown') AS origin,
  sum(count)                  AS persons
FROM observation
WHERE feed IN ('rail', 'checkpoint') AND subject = 'person' AND measure = 'in'
GROUP BY site_id, coalesce(origin, 'unknown')
