"""The table of settings.CACHES: how often something was tried, and which codes are used up."""

from django.core.management import call_command
from django.db import migrations


def make(apps, schema_editor):
    call_command("createcachetable", "accounts_signinlimit", database=schema_editor.connection.alias, verbosity=0)


def drop(apps, schema_editor):
    schema_editor.execute('DROP TABLE "accounts_signinlimit"')


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_quotas'),
    ]

    operations = [
        migrations.RunPython(make, drop),
    ]
