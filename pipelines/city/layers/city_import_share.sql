-- The share of imports in the city's new infections: entries beside the reported cases of the row
-- `local`, which is the city itself. Without that row there is none.
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
,
local AS (
  SELECT
    cases_7d / (7 * 96 * ascertainment_high) AS lo,
    cases_7d / (7 * 96 * ascertainment_mid)  AS mid,
    cases_7d / (7 * 96 * ascertainment_low)  AS hi
  FROM incidence
  WHERE origin = 'local'
)
SELECT
  'city' AS subject_kind,
  'city' AS subject,
  import_share(r['lambda'], l.mid)     AS value,
  import_share(r['lambda_lo95'], l.hi) AS lo,
  import_share(r['lambda_hi95'], l.lo) AS hi,
  '1'                                  AS unit,
  'inflow/import-share@1'              AS method
FROM risk CROSS JOIN local l
