-- Expected infectious arrivals over all cordon sites, each traveller once.
-- The interval spans the range of ascertainment. An origin without its own row is taken as unknown.
WITH arrivals AS (
  SELECT
    f.persons,
    coalesce(i.prevalence, u.prevalence)       AS p,
    coalesce(i.prevalence_lo, u.prevalence_lo) AS p_lo,
    coalesce(i.prevalence_hi, u.prevalence_hi) AS p_hi
  FROM inflow_15m f
  JOIN site s ON s.site_id = f.site_id
  LEFT JOIN incidence i ON i.origin = f.origin
  CROSS JOIN (SELECT * FROM incidence WHERE origin = 'unknown') u
  WHERE s.cordon
)
SELECT
  'city' AS subject_kind,
  'city' AS subject,
  4 * sum(persons * p)    AS value,
  4 * sum(persons * p_lo) AS lo,
  4 * sum(persons * p_hi) AS hi,
  'infectious arrivals/h' AS unit,
  'inflow/lambda-plugin@1' AS method
FROM arrivals
HAVING count(*) > 0
