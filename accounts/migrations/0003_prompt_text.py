"""Whether an organisation opted in to send the text of prompts."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_grades")]
    operations = [
        migrations.AddField(
            model_name="organization",
            name="prompt_text",
            field=models.CharField(
                choices=[("refuse", "Refuse"), ("allow", "Allow")],
                default="refuse",
                help_text="Whether this organisation opted in to sending prompt text, which may hold what customers wrote.",
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=Q(("prompt_text__in", ["refuse", "allow"])), name="organization_prompt_text_known"
            ),
        ),
    ]
