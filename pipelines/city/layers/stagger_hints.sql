-- The hints themselves: of which venue how many persons, from which slot to which (ends, UTC). Those
-- who find no room within two hours have no slot to go to.
SELECT
  'hint'  AS subject_kind,
  concat(
    subject, ' ', CAST(from_end AS VARCHAR), ' > ', coalesce(CAST(to_end AS VARCHAR), 'none')
  )       AS subject,
  persons AS value,
  unit,
  reason,
  method
FROM stagger_hint
