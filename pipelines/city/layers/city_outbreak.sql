-- Chance that the window's entries start an outbreak. The disease is an input: R 2.5 and k 0.1 are
-- those of ancestral SARS-CoV-2 (golden value O7); set them to yours.
WITH arrivals AS (
  SELECT i.origin, sum(f.persons) AS persons
  FROM inflow_15m f
  JOIN site s ON s.site_id = f.site_id
  LEFT JOIN incidence i ON i.origin = f.origin AND i.origin <> 'unknown'
  WHERE s.cordon
  GROUP BY i.origin
),
risk AS (
  SELECT import_outbreak(a.persons, i.evidence, i.entry_effect, u.evidence, outbreak_probability(2.5, 0.1)) AS r
  FROM arrivals a
  LEFT JOIN incidence i ON i.origin = a.origin
  CROSS JOIN (SELECT evidence FROM incidence WHERE origin = 'unknown') u
  HAVING count(*) > 0
)
SELECT
  'city' AS subject_kind,
  'city' AS subject,
  r                       AS value,
  'probability'           AS unit,
  'outbreak/branching@1'  AS method
FROM risk
