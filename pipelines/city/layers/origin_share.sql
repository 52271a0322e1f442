-- Each origin's share of the infectious persons expected through the cordon. That of `unknown`,
-- which is every origin without a row of its own, is above 0 whenever such people came.
WITH arrivals AS (
  SELECT coalesce(i.origin, 'unknown') AS origin, sum(f.persons) AS persons
  FROM inflow_15m f
  JOIN site s ON s.site_id = f.site_id
  LEFT JOIN incidence i ON i.origin = f.origin
  WHERE s.cordon
  GROUP BY coalesce(i.origin, 'unknown')
),
expected AS (
  SELECT
    a.origin,
    expected_infectious(
      a.persons,
      CASE WHEN a.origin <> 'unknown' THEN i.evidence END,
      i.entry_effect,
      u.evidence
    ) AS persons
  FROM arrivals a
  JOIN incidence i ON i.origin = a.origin
  CROSS JOIN (SELECT evidence FROM incidence WHERE origin = 'unknown') u
  GROUP BY a.origin
)
SELECT
  'origin' AS subject_kind,
  origin   AS subject,
  persons / nullif(sum(persons) OVER (), 0) AS value,
  '1'                     AS unit,
  'inflow/origin-share@1' AS method
FROM expected
