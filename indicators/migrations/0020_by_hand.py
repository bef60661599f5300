"""Who brought a submission in by hand: they do not approve what it says, nor lower a TLP by it alone."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Uploads by hand know their sender by name.
BACKFILL = """
UPDATE indicators_submission s SET member_id = m.id FROM indicators_upload u
JOIN accounts_member m ON u.sent_by = 'member:' || m.username
WHERE u.id = s.upload_id AND u.channel = 'form';
SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("indicators", "0019_erasure"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="submission",
            name="member",
            field=models.ForeignKey(
                db_index=False,
                help_text=(
                    "Who brought it in by hand, as a file or as text: they do not approve it."
                    " A draft names its writers."
                ),
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunSQL(BACKFILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="submission",
            index=models.Index(
                condition=models.Q(("member__isnull", False)),
                fields=["member", "received_at"],
                name="submission_by_hand",
            ),
        ),
    ]
