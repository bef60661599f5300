"""When a submission is tried again, how often a sweep began with it, and what its objects came to at ingest."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("indicators", "0010_detectors")]
    operations = [
        migrations.AddField(
            model_name="submission",
            name="starts",
            field=models.SmallIntegerField(default=0, help_text="Times that a sweep began with it."),
        ),
        migrations.AddField(
            model_name="submission",
            name="retry_at",
            field=models.DateTimeField(help_text="No sweep takes it up before.", null=True),
        ),
        migrations.AddField(
            model_name="submission",
            name="counts",
            field=models.JSONField(default=dict, help_text="Objects by outcome at ingest."),
        ),
        migrations.AlterField(
            model_name="submission",
            name="attempts",
            field=models.SmallIntegerField(default=0, help_text="Those that failed."),
        ),
        migrations.AlterField(
            model_name="submission",
            name="error",
            field=models.TextField(blank=True, help_text="What failed: types and places, never a value."),
        ),
    ]
