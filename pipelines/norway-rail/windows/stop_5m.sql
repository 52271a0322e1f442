-- A vehicle reports its position several times: positions are no vehicles that arrive.
SELECT
  site_id,
  count(*)        FILTER (WHERE measure = 'present')                  AS positions,
  sum(count)      FILTER (WHERE measure = 'in')                       AS arrivals,
  max(count)      FILTER (WHERE measure = 'load')                     AS aboard,
  max(count_low)  FILTER (WHERE measure = 'load')                     AS aboard_low,
  max(count_high) FILTER (WHERE measure = 'load')                     AS aboard_high,
  sum(count)      FILTER (WHERE measure = 'out')                      AS alighted,
  sum(count_low)  FILTER (WHERE measure = 'out')                      AS alighted_low,
  sum(count_high) FILTER (WHERE measure = 'out')                      AS alighted_high
FROM observation
GROUP BY site_id
