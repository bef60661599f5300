"""The catalogue of techniques, as indicators/techniques.json has it."""

import json
from pathlib import Path

import django.contrib.postgres.fields
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CATALOGUE = Path(__file__).parent.parent / "techniques.json"


def seed(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    technique = apps.get_model("indicators", "Technique")
    for row in json.loads(CATALOGUE.read_text(encoding="utf-8")):
        technique.objects.update_or_create(object_id=row.pop("object_id"), defaults=row)


class Migration(migrations.Migration):
    dependencies = [("indicators", "0003_journal")]
    operations = [
        migrations.CreateModel(
            name="Technique",
            fields=[
                (
                    "object_id",
                    models.TextField(
                        help_text="STIX id; the same in every deployment.", primary_key=True, serialize=False
                    ),
                ),
                ("name", models.TextField(unique=True)),
                ("description", models.TextField()),
                (
                    "phase",
                    models.TextField(
                        help_text="Tactic of MITRE ATLAS, the `phase_name` of its kill-chain phase."
                    ),
                ),
                ("atlas_id", models.TextField(help_text="Such as AML.T0024.002.", null=True, unique=True)),
                (
                    "form_of",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        default=list,
                        help_text="ATLAS ids of what it is a form of.",
                        size=None,
                    ),
                ),
                ("created", models.DateTimeField()),
            ],
        ),
        migrations.AddConstraint(
            model_name="technique",
            constraint=models.CheckConstraint(
                condition=models.Q(("object_id__startswith", "attack-pattern--")),
                name="technique_is_attack_pattern",
            ),
        ),
        migrations.AddConstraint(
            model_name="technique",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("atlas_id__isnull", False), ("form_of", [])),
                    models.Q(("atlas_id__isnull", True), models.Q(("form_of", []), _negated=True)),
                    _connector="OR",
                ),
                name="technique_atlas_or_form_of",
            ),
        ),
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
