"""All that 0001 to 0008 make, for a database that is new: each step would render all models again, some 20 s in all.

The SQL and the first rows are those of the steps; they move here when the steps go (decision 0044).
"""

from importlib import import_module
import django.contrib.auth.models
import django.contrib.auth.validators
import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.db import migrations, models

_AUDIT_CHAIN = import_module("accounts.migrations.0006_the_audit_chain_and_rotation")
_SIGN_IN = import_module("accounts.migrations.0007_sign_in")


class Migration(migrations.Migration):
    replaces = [
        ("accounts", "0001_initial"),
        ("accounts", "0002_grades"),
        ("accounts", "0003_prompt_text"),
        ("accounts", "0004_notices"),
        ("accounts", "0005_quotas"),
        ("accounts", "0006_the_audit_chain_and_rotation"),
        ("accounts", "0007_sign_in"),
        ("accounts", "0008_acknowledgement"),
    ]

    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="Community",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("slug", models.SlugField(max_length=64, unique=True)),
                ("title", models.CharField(max_length=200)),
                ("description", models.TextField(blank=True)),
                (
                    "default_tlp",
                    models.SmallIntegerField(
                        choices=[
                            (0, "TLP:CLEAR"),
                            (1, "TLP:GREEN"),
                            (2, "TLP:AMBER"),
                            (3, "TLP:AMBER+STRICT"),
                            (4, "TLP:RED"),
                        ],
                        default=2,
                        help_text="What an object without a TLP marking counts as.",
                    ),
                ),
                (
                    "personal_data",
                    models.CharField(
                        choices=[("refuse", "Refuse"), ("allow", "Allow")], default="refuse", max_length=8
                    ),
                ),
                (
                    "auto_release",
                    models.CharField(
                        choices=[
                            ("none", "None: an analyst decides every case"),
                            ("rule", "Those that reach the confidence and the number of sources below"),
                            ("all", "All"),
                        ],
                        default="none",
                        max_length=8,
                    ),
                ),
                ("min_confidence", models.SmallIntegerField(default=80)),
                ("min_sources", models.SmallIntegerField(default=2)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "verbose_name_plural": "communities",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("default_tlp__in", [0, 1, 2, 3, 4])),
                        name="community_default_tlp_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("personal_data__in", ["refuse", "allow"])),
                        name="community_privacy_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("auto_release__in", ["none", "rule", "all"])),
                        name="community_rule_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("min_confidence__gte", 0), ("min_confidence__lte", 100), ("min_sources__gte", 1)
                        ),
                        name="community_rule_in_range",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Organization",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("slug", models.SlugField(max_length=64, unique=True)),
                ("name", models.CharField(max_length=200)),
                (
                    "sector",
                    models.CharField(
                        choices=[
                            ("operator", "Operator"),
                            ("ai-lab", "AI lab"),
                            ("cloud-provider", "Cloud provider"),
                            ("authority", "Authority"),
                            ("researcher", "Researcher"),
                        ],
                        max_length=32,
                    ),
                ),
                (
                    "reliability",
                    models.CharField(
                        choices=[
                            ("A", "A: completely reliable"),
                            ("B", "B: usually reliable"),
                            ("C", "C: fairly reliable"),
                            ("D", "D: not usually reliable"),
                            ("E", "E: unreliable"),
                            ("F", "F: cannot be judged"),
                        ],
                        default="F",
                        help_text="Admiralty grade of this organisation as a source; it weighs in every confidence.",
                        max_length=1,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "platforms",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.SlugField(max_length=64),
                        blank=True,
                        default=list,
                        help_text="Platforms whose traffic it sees; empty: its own. Who sees the same one confirms less.",
                        size=None,
                    ),
                ),
                (
                    "prompt_text",
                    models.CharField(
                        choices=[("refuse", "Refuse"), ("allow", "Allow")],
                        default="refuse",
                        help_text="Whether this organisation opted in to sending prompt text, which may hold what customers wrote.",
                        max_length=8,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "sector__in",
                                ["operator", "ai-lab", "cloud-provider", "authority", "researcher"],
                            )
                        ),
                        name="organization_sector_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reliability__in", ["A", "B", "C", "D", "E", "F"])),
                        name="organization_grade_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("prompt_text__in", ["refuse", "allow"])),
                        name="organization_prompt_text_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Token",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(max_length=100)),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("feed:read", "Read feeds"),
                                ("submit", "Submit"),
                                ("lookup", "Look up"),
                                ("admin", "Administer"),
                            ],
                            max_length=16,
                        ),
                        size=None,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tokens",
                        to="accounts.organization",
                    ),
                ),
                (
                    "bytes_per_hour",
                    models.BigIntegerField(blank=True, help_text="Empty: the service's default.", null=True),
                ),
                (
                    "objects_per_hour",
                    models.IntegerField(blank=True, help_text="Empty: the service's default.", null=True),
                ),
                (
                    "requests_per_minute",
                    models.IntegerField(blank=True, help_text="Empty: the service's default.", null=True),
                ),
                (
                    "replaced_by",
                    models.OneToOneField(
                        editable=False,
                        help_text="The token of the same name that it was rotated for; both work until this one expires.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="replaces",
                        to="accounts.token",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("replaced_by__isnull", True), ("revoked_at__isnull", True)),
                        fields=("organization", "name"),
                        name="token_name_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("replaced_by__isnull", True),
                            ("expires_at__isnull", False),
                            ("revoked_at__isnull", False),
                            _connector="OR",
                        ),
                        name="token_replaced_ends",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("expires_at__isnull", True),
                            ("expires_at__gt", models.F("created_at")),
                            _connector="OR",
                        ),
                        name="token_expires_later",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("requests_per_minute__isnull", True),
                                ("requests_per_minute__gte", 1),
                                _connector="OR",
                            ),
                            models.Q(
                                ("objects_per_hour__isnull", True),
                                ("objects_per_hour__gte", 1),
                                _connector="OR",
                            ),
                            models.Q(
                                ("bytes_per_hour__isnull", True), ("bytes_per_hour__gte", 1), _connector="OR"
                            ),
                        ),
                        name="token_quotas_positive",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                (
                    "actor",
                    models.CharField(
                        help_text="member:<username>, token:<id> or service:<part>", max_length=200
                    ),
                ),
                ("action", models.CharField(max_length=64)),
                ("target", models.CharField(max_length=200)),
                ("detail", models.JSONField(default=dict)),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["target", "id"], name="accounts_au_target_a1ec61_idx"),
                    models.Index(fields=["at", "id"], name="auditevent_by_time"),
                    models.Index(fields=["action", "at", "id"], name="auditevent_by_action"),
                    models.Index(fields=["actor", "at", "id"], name="auditevent_by_actor"),
                    models.Index(fields=["organization", "at", "id"], name="auditevent_by_organization"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Grade",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "reliability",
                    models.CharField(
                        choices=[
                            ("A", "A: completely reliable"),
                            ("B", "B: usually reliable"),
                            ("C", "C: fairly reliable"),
                            ("D", "D: not usually reliable"),
                            ("E", "E: unreliable"),
                            ("F", "F: cannot be judged"),
                        ],
                        max_length=1,
                    ),
                ),
                ("reason", models.TextField()),
                ("graded_at", models.DateTimeField()),
                ("graded_by", models.TextField(help_text="The actor, as in the audit trail.")),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="grades",
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("reliability__in", ["A", "B", "C", "D", "E", "F"])),
                        name="grade_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True), name="grade_has_reason"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(help_text="A documented code, such as detector.limited.", max_length=64),
                ),
                (
                    "target",
                    models.CharField(help_text="What it is about, as in the audit trail.", max_length=200),
                ),
                ("sentence", models.TextField()),
                ("detail", models.JSONField(default=dict)),
                ("told_at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="accounts.organization",
                    ),
                ),
                ("acknowledged_at", models.DateTimeField(null=True)),
                (
                    "acknowledged_by",
                    models.TextField(blank=True, help_text="The actor, as in the audit trail."),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        help_text="Until when it is to be acknowledged; empty where nothing has to be.",
                        null=True,
                    ),
                ),
                (
                    "reminders",
                    models.SmallIntegerField(
                        default=0, help_text="How often its organisation was reminded of it."
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["organization", "-id"], name="notice_by_organization"),
                    models.Index(
                        condition=models.Q(("acknowledged_at__isnull", True), ("due_at__isnull", False)),
                        fields=["due_at"],
                        name="notice_unacknowledged",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("sentence", ""), _negated=True), name="notice_says_something"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("acknowledged_at__isnull", True), ("acknowledged_by", "")),
                            models.Q(
                                ("acknowledged_at__isnull", False),
                                ("due_at__isnull", False),
                                models.Q(("acknowledged_by", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="notice_acknowledged_by_somebody",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Member",
            fields=[
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                ("first_name", models.CharField(blank=True, max_length=150, verbose_name="first name")),
                ("last_name", models.CharField(blank=True, max_length=150, verbose_name="last name")),
                ("email", models.EmailField(blank=True, max_length=254, verbose_name="email address")),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                        verbose_name="staff status",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                        verbose_name="active",
                    ),
                ),
                (
                    "date_joined",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="date joined"),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("reader", "Reader"),
                            ("submitter", "Submitter"),
                            ("analyst", "Analyst"),
                            ("admin", "Admin"),
                        ],
                        default="reader",
                        max_length=16,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="people",
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("role__in", ["reader", "submitter", "analyst", "admin"])),
                        name="member_role_known",
                    )
                ],
            },
            managers=[
                ("objects", django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name="Allowance",
            fields=[
                (
                    "token",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="accounts.token",
                    ),
                ),
                ("requests_left", models.FloatField()),
                ("objects_left", models.FloatField()),
                ("bytes_left", models.FloatField()),
                ("as_of", models.DateTimeField()),
                (
                    "over_quota",
                    models.BigIntegerField(default=0, help_text="How often it was refused for a quota."),
                ),
                (
                    "turned_away",
                    models.BigIntegerField(default=0, help_text="How often it was refused at high water."),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AuditPending",
            fields=[
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to="accounts.auditevent",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AuditLink",
            fields=[
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("digest", models.BinaryField(max_length=32)),
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="link",
                        to="accounts.auditevent",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("position__gte", 1)), name="auditlink_from_one"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("joined_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "community",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="accounts.community"),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="accounts.organization"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("community", "organization"), name="membership_once")
                ],
            },
        ),
        migrations.AddField(
            model_name="community",
            name="members",
            field=models.ManyToManyField(
                related_name="communities", through="accounts.Membership", to="accounts.organization"
            ),
        ),
        migrations.RunSQL(_AUDIT_CHAIN.APPEND_ONLY, _AUDIT_CHAIN.NO_LONGER),
        migrations.RunPython(_SIGN_IN.make, _SIGN_IN.drop),
    ]
