from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sharing", "0007_two_analysts"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="release",
            index=models.Index(
                fields=["subject"], condition=models.Q(("decision", "review")), name="release_in_review"
            ),
        ),
        migrations.AddIndex(
            model_name="release",
            index=models.Index(
                fields=["subject"], condition=models.Q(("decision", "withhold")), name="release_withheld"
            ),
        ),
        migrations.AddIndex(
            model_name="release",
            index=models.Index(
                fields=["subject"], condition=models.Q(("revoked", True)), name="release_revoked"
            ),
        ),
    ]
