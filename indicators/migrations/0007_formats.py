"""The format of a body instead of whether it is lines; where in it an object stands, and what else is worth knowing."""

from django.db import migrations, models
from django.db.models import Q

FORMATS = [
    ("stix", "STIX bundle or TAXII envelope"),
    ("ndjson", "STIX objects, one a line"),
    ("ocsf", "OCSF Detection Findings"),
    ("misp", "MISP events"),
    ("csv", "CSV"),
]


class Migration(migrations.Migration):
    dependencies = [("indicators", "0006_allowlists")]
    operations = [
        migrations.AddField(
            model_name="submission",
            name="format",
            field=models.CharField(choices=FORMATS, default="stix", max_length=8),
        ),
        migrations.RunSQL(
            "UPDATE indicators_submission SET format = 'ndjson' WHERE lines",
            "UPDATE indicators_submission SET lines = format = 'ndjson'",
        ),
        # The rows were changed in this transaction: what their deferred constraints have to say is heard first.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.RemoveField(model_name="submission", name="lines"),
        migrations.AddConstraint(
            model_name="submission",
            constraint=models.CheckConstraint(
                condition=Q(("format__in", [name for name, _ in FORMATS])), name="submission_format_known"
            ),
        ),
        migrations.AlterField(
            model_name="submission",
            name="channel",
            field=models.CharField(
                choices=[
                    ("taxii", "TAXII"),
                    ("rest", "REST"),
                    ("file", "File"),
                    ("form", "The desk"),
                    ("pull", "Pulled"),
                ],
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="submission",
            name="object_count",
            field=models.IntegerField(
                help_text="Its parts as the sender counts them: objects, findings, rows."
            ),
        ),
        migrations.AddField(
            model_name="submittedobject",
            name="place",
            field=models.TextField(default="", help_text="Where in the body it stands, or what it was made of."),
        ),
        migrations.AddField(
            model_name="submittedobject",
            name="note",
            field=models.TextField(
                default="", help_text="What was left out, or is worth knowing; it refused nothing."
            ),
        ),
    ]
