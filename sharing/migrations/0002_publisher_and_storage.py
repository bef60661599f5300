"""The one publisher, and stored bytes kept as they are: compressing them would cost every page its unpacking."""

from uuid import uuid4

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.utils import timezone

KEPT_AS_THEY_ARE = [
    "ALTER TABLE sharing_entry ALTER COLUMN body SET STORAGE EXTERNAL, ALTER COLUMN opening SET STORAGE EXTERNAL",
    "ALTER TABLE indicators_claim ALTER COLUMN body SET STORAGE EXTERNAL",
    "ALTER TABLE indicators_submission ALTER COLUMN body SET STORAGE EXTERNAL",
]


def make_publisher(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Under its own random identity (STIX 2.1 §2.9), in whole milliseconds as STIX writes `created`."""
    now = timezone.now()
    apps.get_model("sharing", "Publisher").objects.get_or_create(
        id=1,
        defaults={
            "identity_id": f"identity--{uuid4()}",
            "created_at": now.replace(microsecond=now.microsecond // 1000 * 1000),
        },
    )


class Migration(migrations.Migration):
    dependencies = [("sharing", "0001_initial"), ("indicators", "0001_initial")]
    operations = [
        migrations.RunPython(make_publisher, migrations.RunPython.noop),
        migrations.RunSQL(
            KEPT_AS_THEY_ARE,
            migrations.RunSQL.noop,
        ),
    ]
