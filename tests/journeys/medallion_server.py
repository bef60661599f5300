"""`python -m tests.journeys.medallion_server CONFIG PORT`: medallion, as its own command runs it, on loopback.

Its memory backend looks for the date of each object by reading the dates of all: with a few thousand objects a first
page takes minutes. The reading of dates is remembered here; nothing else is changed.
"""

import functools
import json
import sys
from pathlib import Path

import medallion
from medallion import application_instance, common, register_blueprints, set_config
from medallion.filters import basic_filter


def main(config: str, port: str) -> None:
    remembered = functools.lru_cache(maxsize=None)(common.string_to_datetime)
    common.string_to_datetime = basic_filter.string_to_datetime = remembered
    configuration = json.loads(Path(config).read_text())
    for part in ("users", "taxii", "backend"):
        set_config(application_instance, part, configuration)
    register_blueprints(application_instance)
    assert medallion.application_instance is application_instance
    application_instance.run(host="127.0.0.1", port=int(port), threaded=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
