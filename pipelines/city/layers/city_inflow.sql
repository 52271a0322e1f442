-- Infectious persons among the entries through the cordon, each traveller once: the median and the
-- 95 % interval over prevalences and ascertainment. An origin without its own row is unknown.
WITH arrivals AS (
  SELECT i.origin, sum(f.persons) AS persons
  FROM inflow_15m f
  JOIN site s ON s.site_id = f.site_id
  LEFT JOIN incidence i ON i.origin = f.origin AND i.origin <> 'unknown'
  WHERE s.cordon
  GROUP BY i.origin
),
risk AS (
  SELECT import_risk(a.persons, i.evidence, i.entry_effect, u.evidence) AS r
  FROM arrivals a
  LEFT JOIN incidence i ON i.origin = a.origin
  CROSS JOIN (SELECT evidence FROM incidence WHERE origin = 'unknown') u
  HAVING count(*) > 0
)
SELECT
  'city' AS subject_kind,
  'city' AS subject,
  4 * r['lambda']         AS value,
  4 * r['lambda_lo95']    AS lo,
  4 * r['lambda_hi95']    AS hi,
  'infectious arrivals/h' AS unit,
  'inflow/lambda-joint@1' AS method
FROM risk
