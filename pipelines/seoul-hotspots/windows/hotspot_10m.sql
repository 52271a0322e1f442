-- One estimate a window; of several the largest counts.
SELECT
  site_id,
  max(count)      AS persons,
  max(count_low)  AS persons_low,
  max(count_high) AS persons_high
FROM observation
GROUP BY site_id
