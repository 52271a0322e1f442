-- How old what is known of each origin is. Age changes no other number: look at it beside them.
SELECT
  'origin' AS subject_kind,
  i.origin AS subject,
  (to_unixtime(w.window_end) - to_unixtime(i.as_of_end)) / 86400.0 AS value,
  'd'                AS unit,
  'prevalence/age@1' AS method
FROM incidence i
CROSS JOIN this_window w
