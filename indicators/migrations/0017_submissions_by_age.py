from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("indicators", "0016_quarantined_by_sender"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="submission",
            index=models.Index(fields=["-received_at", "-id"], name="submission_by_age"),
        ),
    ]
