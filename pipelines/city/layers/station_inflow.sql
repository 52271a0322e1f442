-- Infectious persons among those who arrive at each railway station: the median and the 95 %
-- interval. These are visits: stations do not add up to the city's entries.
WITH arrivals AS (
  SELECT s.venue_id, i.origin, sum(f.persons) AS persons
  FROM inflow_15m f
  JOIN site s ON s.site_id = f.site_id
  LEFT JOIN incidence i ON i.origin = f.origin AND i.origin <> 'unknown'
  WHERE s.kind = 'rail' AND s.venue_id IS NOT NULL
  GROUP BY s.venue_id, i.origin
),
risk AS (
  SELECT a.venue_id, import_risk(a.persons, i.evidence, i.entry_effect, u.evidence) AS r
  FROM arrivals a
  LEFT JOIN incidence i ON i.origin = a.origin
  CROSS JOIN (SELECT evidence FROM incidence WHERE origin = 'unknown') u
  GROUP BY a.venue_id
)
SELECT
  'venue'  AS subject_kind,
  venue_id AS subject,
  4 * r['lambda']         AS value,
  4 * r['lambda_lo95']    AS lo,
  4 * r['lambda_hi95']    AS hi,
  'infectious arrivals/h' AS unit,
  'inflow/lambda-joint@1' AS method
FROM risk
