"""All that 0001 to 0019 make, for a database that is new (see that of accounts)."""

from importlib import import_module
import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.lookups
import indicators.models
import uuid
from django.conf import settings
from django.db import migrations, models

_TECHNIQUES = import_module("indicators.migrations.0004_techniques")
_ALLOWLISTS = import_module("indicators.migrations.0006_allowlists")


class Migration(migrations.Migration):
    replaces = [
        ("indicators", "0001_initial"),
        ("indicators", "0002_remarks"),
        ("indicators", "0003_journal"),
        ("indicators", "0004_techniques"),
        ("indicators", "0005_templates"),
        ("indicators", "0006_allowlists"),
        ("indicators", "0007_formats"),
        ("indicators", "0008_uploads"),
        ("indicators", "0009_sources"),
        ("indicators", "0010_detectors"),
        ("indicators", "0011_attempts"),
        ("indicators", "0012_recent_ingest"),
        ("indicators", "0013_tlp_overrides_and_populations"),
        ("indicators", "0014_drafts"),
        ("indicators", "0015_findable"),
        ("indicators", "0016_quarantined_by_sender"),
        ("indicators", "0017_submissions_by_age"),
        ("indicators", "0018_sender_signatures"),
        ("indicators", "0019_erasure"),
    ]

    initial = True

    dependencies = [
        ("accounts", "0001_squashed_0008_acknowledgement"),
    ]

    operations = [
        migrations.CreateModel(
            name="Subject",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("key", models.BinaryField()),
                ("object_type", models.TextField()),
                (
                    "community",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="accounts.community"
                    ),
                ),
                (
                    "merged_into",
                    models.ForeignKey(
                        db_index=False,
                        help_text="The subject that its claims count for; never one that is merged itself.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="indicators.subject",
                    ),
                ),
                (
                    "is_bare",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="What it watches and is found by was erased with the last claim on it.",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("merged_into__isnull", False)),
                        fields=["merged_into"],
                        name="subject_merged_into",
                    ),
                    models.Index(fields=["object_type", "id"], name="subject_by_type"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("community", "key"), name="subject_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("merged_into__isnull", True),
                            models.Q(("merged_into", models.F("id")), _negated=True),
                            _connector="OR",
                        ),
                        name="subject_not_into_itself",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Allowlist",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=200, unique=True)),
                ("description", models.TextField(blank=True)),
                ("version", models.BigIntegerField(default=1)),
                (
                    "source",
                    models.CharField(
                        choices=[("built-in", "Built in"), ("file", "A file"), ("desk", "The desk")],
                        max_length=8,
                    ),
                ),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "allow-list",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("source__in", ["built-in", "file", "desk"])),
                        name="allowlist_source_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Detector",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "analytic",
                    models.TextField(help_text="OCSF finding_info.analytic: its uid, else its name."),
                ),
                (
                    "version",
                    models.TextField(
                        blank=True, help_text="OCSF finding_info.analytic.version; empty if it says none."
                    ),
                ),
                ("name", models.TextField(blank=True, help_text="What people call it.")),
                (
                    "method",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("rule", "Rule"),
                            ("behavioral", "Behavioural"),
                            ("statistical", "Statistical"),
                            ("learning", "Learning"),
                            ("fingerprinting", "Fingerprinting"),
                            ("tagging", "Tagging"),
                            ("keyword-match", "Keyword match"),
                            ("regular-expressions", "Regular expressions"),
                            ("exact-data-match", "Exact data match"),
                            ("partial-data-match", "Partial data match"),
                            ("indexed-data-match", "Indexed data match"),
                            ("manual-analysis", "Manual analysis"),
                            ("other", "Other"),
                        ],
                        help_text="How it finds: a method of the detection context; empty if unknown.",
                        max_length=32,
                    ),
                ),
                (
                    "false_positive_rate",
                    models.FloatField(
                        blank=True,
                        help_text="As measured by its organisation, 0 to 1; it weighs in the confidence.",
                        null=True,
                    ),
                ),
                (
                    "tier",
                    models.CharField(
                        choices=[
                            ("trusted", "Trusted: what it finds leaves by the community's rule"),
                            ("review", "Limited to review: an analyst decides what it finds"),
                        ],
                        default="review",
                        max_length=8,
                    ),
                ),
                (
                    "min_precision",
                    models.FloatField(
                        default=0.8,
                        help_text="Below this share of confirmed decisions it is limited to review, 0 to 1.",
                    ),
                ),
                (
                    "min_decisions",
                    models.SmallIntegerField(
                        default=20, help_text="How many decisions it takes to judge it by its precision."
                    ),
                ),
                ("limited_at", models.DateTimeField(null=True)),
                ("limited_reason", models.TextField(blank=True)),
                (
                    "judged_from",
                    models.DateTimeField(
                        help_text="When a limit was lifted: what was decided or counted before weighs no more.",
                        null=True,
                    ),
                ),
                (
                    "withdrawn_at",
                    models.DateTimeField(help_text="When all its findings were withdrawn.", null=True),
                ),
                ("registered_at", models.DateTimeField()),
                ("registered_by", models.TextField(help_text="The actor, as in the audit trail.")),
                ("first_finding_at", models.DateTimeField(null=True)),
                ("last_finding_at", models.DateTimeField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "analytic", "version"), name="detector_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("analytic", ""), _negated=True), name="detector_has_analytic"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("tier__in", ["trusted", "review"])), name="detector_tier_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "method__in",
                                [
                                    "",
                                    "rule",
                                    "behavioral",
                                    "statistical",
                                    "learning",
                                    "fingerprinting",
                                    "tagging",
                                    "keyword-match",
                                    "regular-expressions",
                                    "exact-data-match",
                                    "partial-data-match",
                                    "indexed-data-match",
                                    "manual-analysis",
                                    "other",
                                ],
                            )
                        ),
                        name="detector_method_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("false_positive_rate__isnull", True),
                            models.Q(("false_positive_rate__gte", 0), ("false_positive_rate__lte", 1)),
                            _connector="OR",
                        ),
                        name="detector_rate_in_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("min_decisions__gte", 1),
                            ("min_decisions__lte", 100),
                            ("min_precision__gte", 0),
                            ("min_precision__lte", 1),
                        ),
                        name="detector_threshold_in_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("limited_at__isnull", True), ("limited_reason", "")),
                            models.Q(
                                ("limited_at__isnull", False), models.Q(("limited_reason", ""), _negated=True)
                            ),
                            _connector="OR",
                        ),
                        name="detector_limited_with_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("first_finding_at__isnull", True), ("last_finding_at__isnull", True)),
                            ("last_finding_at__gte", models.F("first_finding_at")),
                            _connector="OR",
                        ),
                        name="detector_finding_times_ordered",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DetectorHour",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "detector_id", "hour", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("hour", models.DateTimeField(help_text="Its beginning.")),
                ("findings", models.IntegerField(help_text="New ones and new versions.")),
                (
                    "detector",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="indicators.detector"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("findings__gt", 0)), name="detector_hour_not_empty"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PendingErasure",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("collection_id", models.UUIDField(help_text="Where it was posted.")),
                ("object_id", models.TextField()),
                (
                    "versions",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), help_text="As receipts call them.", size=None
                    ),
                ),
                ("deleted_at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="accounts.organization"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Population",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("network", indicators.models.CidrField(null=True)),
                (
                    "domain",
                    models.TextField(help_text="In normal form; it holds for all below it.", null=True),
                ),
                ("asn", models.BigIntegerField(null=True)),
                ("users", models.BigIntegerField(help_text="Behind all of it.")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("residential", "Residential"),
                            ("mobile", "Mobile"),
                            ("cgnat", "Shared by a carrier (CGNAT)"),
                            ("vpn", "VPN or proxy"),
                            ("enterprise", "Company or school"),
                            ("hosting", "Hosting"),
                            ("service", "A service that people use"),
                            ("other", "Other"),
                        ],
                        max_length=12,
                    ),
                ),
                ("note", models.TextField(blank=True)),
            ],
            options={
                "indexes": [
                    django.contrib.postgres.indexes.GistIndex(
                        condition=models.Q(("network__isnull", False)),
                        fields=["network"],
                        name="population_network",
                        opclasses=["inet_ops"],
                    ),
                    models.Index(
                        condition=models.Q(("domain__isnull", False)),
                        fields=["domain"],
                        name="population_domain",
                    ),
                    models.Index(
                        condition=models.Q(("asn__isnull", False)), fields=["asn"], name="population_asn"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("network", "domain", "asn"), name="population_once", nulls_distinct=False
                    ),
                    models.CheckConstraint(condition=models.Q(("users__gte", 0)), name="population_counted"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "residential",
                                    "mobile",
                                    "cgnat",
                                    "vpn",
                                    "enterprise",
                                    "hosting",
                                    "service",
                                    "other",
                                ],
                            )
                        ),
                        name="population_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("asn__isnull", True), ("domain__isnull", True), ("network__isnull", False)
                            ),
                            models.Q(
                                ("asn__isnull", True), ("domain__isnull", False), ("network__isnull", True)
                            ),
                            models.Q(
                                ("asn__isnull", False), ("domain__isnull", True), ("network__isnull", True)
                            ),
                            _connector="OR",
                        ),
                        name="population_exactly_one",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Remark",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("object_id", models.TextField(help_text="Of the sighting or opinion.")),
                (
                    "target",
                    models.TextField(help_text="The id of an indicator: a partner's or a published one."),
                ),
                (
                    "tlp",
                    models.SmallIntegerField(
                        choices=[
                            (0, "TLP:CLEAR"),
                            (1, "TLP:GREEN"),
                            (2, "TLP:AMBER"),
                            (3, "TLP:AMBER+STRICT"),
                            (4, "TLP:RED"),
                        ]
                    ),
                ),
                ("stance", models.TextField(help_text="Of an opinion.", null=True)),
                (
                    "seen_at",
                    models.DateTimeField(help_text="When it was seen last, or when the opinion came."),
                ),
                ("received_at", models.DateTimeField()),
                ("confidence", models.SmallIntegerField(null=True)),
                ("fpr", models.FloatField(null=True)),
                (
                    "families",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None),
                ),
                (
                    "is_live",
                    models.BooleanField(
                        default=True,
                        help_text="No more once it is taken back; it goes when its target was folded again.",
                    ),
                ),
                (
                    "community",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="accounts.community"
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.organization",
                    ),
                ),
                (
                    "detector",
                    models.ForeignKey(
                        db_index=False,
                        help_text="Whose finding says it.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="indicators.detector",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["community", "target", "organization", "tlp"], name="remark_by_target"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_live", True)),
                        fields=("community", "organization", "object_id", "target"),
                        name="remark_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("tlp__in", [0, 1, 2, 3, 4])), name="remark_tlp_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("seen_at__lte", models.F("received_at"))),
                        name="remark_times_ordered",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Sketch",
            fields=[
                (
                    "subject",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="indicators.subject",
                    ),
                ),
                ("minima", models.BinaryField(help_text="`minhash-w3-128`, 512 bytes.")),
                (
                    "tlp",
                    models.SmallIntegerField(
                        choices=[
                            (0, "TLP:CLEAR"),
                            (1, "TLP:GREEN"),
                            (2, "TLP:AMBER"),
                            (3, "TLP:AMBER+STRICT"),
                            (4, "TLP:RED"),
                        ],
                        help_text="The lowest TLP at which it was claimed.",
                    ),
                ),
                ("claimed_at", models.DateTimeField(help_text="When it was first claimed at that TLP.")),
                (
                    "community",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="accounts.community"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("tlp__gte", 0), ("tlp__lt", 4)), name="sketch_tlp_below_red"
                    ),
                    models.CheckConstraint(
                        condition=django.db.models.lookups.Exact(
                            django.db.models.functions.text.Length("minima"), 512
                        ),
                        name="sketch_of_512_bytes",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Wording",
            fields=[
                (
                    "subject",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="indicators.subject",
                    ),
                ),
                ("words", django.contrib.postgres.search.SearchVectorField()),
            ],
            options={
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["words"], gin_pending_list_limit=256, name="wording_words"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Reference",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "target", "subject_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("target", models.TextField(help_text="A STIX id, as the claim refers to it.")),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="indicators.subject"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RaisedTlp",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "from_tlp",
                    models.SmallIntegerField(
                        choices=[
                            (0, "TLP:CLEAR"),
                            (1, "TLP:GREEN"),
                            (2, "TLP:AMBER"),
                            (3, "TLP:AMBER+STRICT"),
                            (4, "TLP:RED"),
                        ]
                    ),
                ),
                (
                    "to_tlp",
                    models.SmallIntegerField(
                        choices=[
                            (0, "TLP:CLEAR"),
                            (1, "TLP:GREEN"),
                            (2, "TLP:AMBER"),
                            (3, "TLP:AMBER+STRICT"),
                            (4, "TLP:RED"),
                        ]
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="indicators.subject"),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("to_tlp__gt", models.F("from_tlp"))), name="raised_tlp_upwards"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PendingFold",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "community",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="accounts.community"
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="indicators.subject"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["community", "id"], name="pending_fold_order")],
            },
        ),
        migrations.CreateModel(
            name="Observable",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("network", indicators.models.CidrField(null=True)),
                ("domain", models.TextField(help_text="In normal form.", null=True)),
                ("asn", models.BigIntegerField(null=True)),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="indicators.subject"
                    ),
                ),
            ],
            options={
                "indexes": [
                    django.contrib.postgres.indexes.GistIndex(
                        condition=models.Q(("network__isnull", False)),
                        fields=["network"],
                        name="observable_network",
                        opclasses=["inet_ops"],
                    ),
                    models.Index(
                        models.Func("domain", template="(reverse('.' || %(expressions)s) COLLATE \"C\")"),
                        condition=models.Q(("domain__isnull", False)),
                        name="observable_domain",
                    ),
                    models.Index(
                        condition=models.Q(("asn__isnull", False)), fields=["asn"], name="observable_asn"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("subject", "network", "domain", "asn"),
                        name="observable_once",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("asn__isnull", True), ("domain__isnull", True), ("network__isnull", False)
                            ),
                            models.Q(
                                ("asn__isnull", True), ("domain__isnull", False), ("network__isnull", True)
                            ),
                            models.Q(
                                ("asn__isnull", False), ("domain__isnull", True), ("network__isnull", True)
                            ),
                            _connector="OR",
                        ),
                        name="observable_exactly_one",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Merge",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("near", "Near duplicate"),
                            ("analyst", "Merged by an analyst"),
                            ("split", "Split by an analyst"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "similarity",
                    models.FloatField(
                        help_text="Estimated Jaccard similarity, 0 to 1, of a near duplicate.", null=True
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                ("made_at", models.DateTimeField()),
                ("made_by", models.TextField(help_text="member:<username> or service:<part>")),
                ("undone_at", models.DateTimeField(null=True)),
                ("undone_by", models.TextField(blank=True)),
                ("undo_reason", models.TextField(blank=True)),
                (
                    "community",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="accounts.community"),
                ),
                (
                    "other",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="indicators.subject"
                    ),
                ),
                (
                    "survivor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="indicators.subject"
                    ),
                ),
            ],
            options={
                "verbose_name": "merge journal entry",
                "verbose_name_plural": "merge journal",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["near", "analyst", "split"])),
                        name="merge_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("survivor", models.F("other")), _negated=True),
                        name="merge_of_two",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "near"), ("similarity__gte", 0), ("similarity__lte", 1)),
                            models.Q(models.Q(("kind", "near"), _negated=True), ("similarity__isnull", True)),
                            _connector="OR",
                        ),
                        name="merge_near_has_similarity",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind", "near"), models.Q(("reason", ""), _negated=True), _connector="OR"
                        ),
                        name="merge_by_analyst_has_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("undo_reason", ""), ("undone_at__isnull", True), ("undone_by", "")),
                            models.Q(
                                ("undone_at__isnull", False),
                                models.Q(("undone_by", ""), _negated=True),
                                models.Q(("undo_reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="merge_undone_by_somebody",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("undone_at__isnull", True)),
                        fields=("other",),
                        name="merge_other_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Likeness",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "similarity",
                    models.FloatField(help_text="Estimated Jaccard similarity of their sketches, 0.6 to 1."),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("related", "Related"),
                            ("dismissed", "Dismissed"),
                            ("merged", "Merged"),
                        ],
                        default="pending",
                        max_length=9,
                    ),
                ),
                ("found_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(null=True)),
                ("reason", models.TextField(blank=True)),
                (
                    "community",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="accounts.community"),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        help_text="Nobody where the service merged them.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "first",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="indicators.subject",
                    ),
                ),
                (
                    "second",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="indicators.subject"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "likenesses",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["community", "id"],
                        name="likeness_pending",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("first", "second"), name="likeness_once"),
                    models.CheckConstraint(
                        condition=models.Q(("first__lt", models.F("second"))), name="likeness_in_order"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("similarity__gte", 0.6), ("similarity__lte", 1)),
                        name="likeness_similarity_in_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decided_at__isnull", True),
                                ("decided_by__isnull", True),
                                ("reason", ""),
                                ("state", "pending"),
                            ),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("decided_by__isnull", True),
                                ("reason", ""),
                                ("state", "merged"),
                            ),
                            models.Q(
                                ("state__in", ["related", "dismissed", "merged"]),
                                ("decided_at__isnull", False),
                                ("decided_by__isnull", False),
                                models.Q(("reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="likeness_decided_with_reason",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Judgement",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "confirmed",
                    models.BooleanField(
                        help_text="Approved by an analyst; not: rejected, or taken back by its source."
                    ),
                ),
                ("decided_at", models.DateTimeField()),
                (
                    "detector",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="indicators.detector"
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="indicators.subject"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["detector", "-decided_at"], name="judgement_latest")],
                "constraints": [
                    models.UniqueConstraint(fields=("detector", "subject"), name="judgement_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="SketchBand",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "subject_id", "band", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("band", models.SmallIntegerField()),
                ("digest", models.BigIntegerField()),
                (
                    "tlp",
                    models.SmallIntegerField(
                        help_text="That of the sketch: a search meets the lowest first."
                    ),
                ),
                (
                    "community",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="accounts.community"
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="indicators.subject"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["community", "band", "digest", "tlp", "subject"], name="sketch_band_search"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("band__gte", 0), ("band__lt", 32)), name="sketch_band_known"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Source",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("taxii", "TAXII 2.1 collection"), ("misp-feed", "MISP feed")], max_length=12
                    ),
                ),
                (
                    "url",
                    models.CharField(
                        help_text="Of a TAXII collection: the URL of its API root. Of a MISP feed: the directory of manifest.json.",
                        max_length=2000,
                    ),
                ),
                (
                    "collection",
                    models.CharField(
                        blank=True, help_text="Of a TAXII collection: its id, alias or title.", max_length=250
                    ),
                ),
                (
                    "auth",
                    models.CharField(
                        choices=[
                            ("none", "None"),
                            ("basic", "User name and password (Basic)"),
                            ("bearer", "Token (Bearer)"),
                            ("mtls", "Client certificate (mTLS)"),
                        ],
                        default="none",
                        max_length=8,
                    ),
                ),
                ("username", models.CharField(blank=True, help_text="For Basic.", max_length=250)),
                (
                    "credential",
                    models.CharField(
                        blank=True,
                        help_text="A name in capitals, such as PARTNER_X: the secret itself is read from SOURCE_SECRET_PARTNER_X.",
                        max_length=50,
                    ),
                ),
                (
                    "internal",
                    models.BooleanField(
                        default=False,
                        help_text="It stands in a network of our own: http and addresses that are not public are called too.",
                    ),
                ),
                (
                    "interval_minutes",
                    models.PositiveSmallIntegerField(
                        default=15, help_text="From one look at it to the next."
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                ("checkpoint", models.JSONField(default=dict, editable=False)),
                (
                    "checkpoint_version",
                    models.BigIntegerField(
                        default=0,
                        editable=False,
                        help_text="Counts what changed the checkpoint; who changes it says which it saw.",
                    ),
                ),
                ("next_at", models.DateTimeField(editable=False)),
                (
                    "leased_until",
                    models.DateTimeField(
                        editable=False,
                        help_text="Until then a worker has it, unless that ends without a word.",
                        null=True,
                    ),
                ),
                ("failures", models.PositiveIntegerField(default=0, editable=False, help_text="In a row.")),
                ("tried_at", models.DateTimeField(editable=False, null=True)),
                ("last_success_at", models.DateTimeField(editable=False, null=True)),
                ("last_error", models.TextField(blank=True, editable=False)),
                ("object_count", models.BigIntegerField(default=0, editable=False)),
                (
                    "latest_at",
                    models.DateTimeField(
                        editable=False, help_text="The upstream's own date of the last object.", null=True
                    ),
                ),
                ("checked_at", models.DateTimeField(editable=False, null=True)),
                ("check_result", models.TextField(blank=True, editable=False)),
                ("created_at", models.DateTimeField(editable=False)),
                (
                    "community",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="accounts.community"),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        help_text="On whose behalf: its inbox gets the objects, and its reliability weighs them.",
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(condition=models.Q(("enabled", True)), fields=["next_at"], name="source_due")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["taxii", "misp-feed"])), name="source_kind_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("auth__in", ["none", "basic", "bearer", "mtls"])),
                        name="source_auth_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("interval_minutes__gte", 1), ("interval_minutes__lte", 10080)),
                        name="source_interval_in_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "taxii"), models.Q(("collection", ""), _negated=True)),
                            models.Q(("collection", ""), ("kind", "misp-feed")),
                            _connector="OR",
                        ),
                        name="source_collection_fits_kind",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("auth", "none"), ("credential__regex", "^[A-Z][A-Z0-9_]*$"), _connector="OR"
                        ),
                        name="source_credential_named",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("auth", "basic"), models.Q(("username", ""), _negated=True)),
                            models.Q(models.Q(("auth", "basic"), _negated=True), ("username", "")),
                            _connector="OR",
                        ),
                        name="source_username_fits_auth",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SourceItem",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("key", models.TextField()),
                ("version", models.BigIntegerField(help_text="Its timestamp, in seconds of the Unix epoch.")),
                ("error", models.TextField(blank=True)),
                ("tried_at", models.DateTimeField()),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="indicators.source",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("source", "key"), name="source_item_once")],
            },
        ),
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
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("object_id__startswith", "attack-pattern--")),
                        name="technique_is_attack_pattern",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("atlas_id__isnull", False), ("form_of", [])),
                            models.Q(("atlas_id__isnull", True), models.Q(("form_of", []), _negated=True)),
                            _connector="OR",
                        ),
                        name="technique_atlas_or_form_of",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Term",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "digest", "subject_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("digest", models.BigIntegerField()),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="indicators.subject"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Upload",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("sent_by", models.TextField(help_text="The actor, as in the audit trail.")),
                (
                    "channel",
                    models.CharField(
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
                ("collection_id", models.UUIDField(help_text="The inbox that its submissions go to.")),
                (
                    "name",
                    models.CharField(
                        blank=True, help_text="Of the file, as its sender calls it.", max_length=255
                    ),
                ),
                (
                    "format",
                    models.CharField(
                        choices=[
                            ("stix", "STIX bundle or TAXII envelope"),
                            ("ndjson", "STIX objects, one a line"),
                            ("ocsf", "OCSF Detection Findings"),
                            ("misp", "MISP events"),
                            ("csv", "CSV"),
                        ],
                        max_length=8,
                    ),
                ),
                ("size", models.BigIntegerField(help_text="In bytes.")),
                ("sha256", models.BinaryField(max_length=32)),
                ("idempotency_key", models.CharField(max_length=255, null=True)),
                ("part_count", models.IntegerField()),
                ("object_count", models.IntegerField(help_text="As of its submissions, together.")),
                ("is_draft", models.BooleanField(default=False)),
                ("received_at", models.DateTimeField()),
                (
                    "community",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="accounts.community"
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.organization",
                    ),
                ),
                (
                    "token",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to="accounts.token"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["organization", "-received_at"], name="upload_by_sender"),
                    models.Index(
                        condition=models.Q(("is_draft", True)), fields=["received_at"], name="upload_drafts"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("format__in", ["stix", "ndjson", "ocsf", "misp", "csv"])),
                        name="upload_format_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("channel__in", ["taxii", "rest", "file", "form", "pull"])),
                        name="upload_channel_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("object_count__gte", 0), ("part_count__gte", 0), ("size__gte", 0)
                        ),
                        name="upload_counted",
                    ),
                    models.UniqueConstraint(
                        fields=("organization", "idempotency_key"), name="upload_idempotency_once"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Submission",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "channel",
                    models.CharField(
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
                (
                    "collection_id",
                    models.UUIDField(help_text="The inbox or open collection that it was posted to."),
                ),
                ("body", models.BinaryField()),
                ("body_sha256", models.BinaryField(max_length=32)),
                ("idempotency_key", models.CharField(max_length=255, null=True)),
                (
                    "object_count",
                    models.IntegerField(
                        help_text="Its parts as the sender counts them: objects, findings, rows."
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("received", "Received"),
                            ("ingested", "Ingested"),
                            ("quarantined", "Quarantined"),
                        ],
                        default="received",
                        max_length=12,
                    ),
                ),
                ("attempts", models.SmallIntegerField(default=0, help_text="Those that failed.")),
                (
                    "error",
                    models.TextField(blank=True, help_text="What failed: types and places, never a value."),
                ),
                ("received_at", models.DateTimeField()),
                ("ingested_at", models.DateTimeField(null=True)),
                (
                    "community",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="accounts.community"),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="accounts.organization"
                    ),
                ),
                (
                    "token",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to="accounts.token"
                    ),
                ),
                (
                    "format",
                    models.CharField(
                        choices=[
                            ("stix", "STIX bundle or TAXII envelope"),
                            ("ndjson", "STIX objects, one a line"),
                            ("ocsf", "OCSF Detection Findings"),
                            ("misp", "MISP events"),
                            ("csv", "CSV"),
                        ],
                        default="stix",
                        max_length=8,
                    ),
                ),
                (
                    "offset",
                    models.IntegerField(
                        db_default=0,
                        help_text="How much further on in the file of an upload its places are than in the body.",
                    ),
                ),
                (
                    "part",
                    models.IntegerField(
                        help_text="Its number among the parts of an upload, from 1.", null=True
                    ),
                ),
                (
                    "upload",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="submissions",
                        to="indicators.upload",
                    ),
                ),
                (
                    "starts",
                    models.SmallIntegerField(default=0, help_text="Times that a sweep began with it."),
                ),
                ("retry_at", models.DateTimeField(help_text="No sweep takes it up before.", null=True)),
                ("counts", models.JSONField(default=dict, help_text="Objects by outcome at ingest.")),
                (
                    "erased_at",
                    models.DateTimeField(
                        help_text="When something of the body was last erased: deleted by its sender, or by legal order.",
                        null=True,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "received")),
                        fields=["received_at"],
                        name="submission_waiting",
                    ),
                    models.Index(fields=["organization", "-received_at"], name="submission_by_sender"),
                    models.Index(fields=["-received_at", "-id"], name="submission_by_age"),
                    models.Index(
                        condition=models.Q(("state", "ingested")),
                        fields=["ingested_at"],
                        name="submission_ingested",
                    ),
                    models.Index(
                        condition=models.Q(("state", "quarantined")),
                        fields=["organization", "received_at"],
                        name="submission_quarantined",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("upload", "part"), name="submission_part_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("part__isnull", True), ("upload__isnull", True)),
                            models.Q(("part__gte", 1), ("upload__isnull", False)),
                            _connector="OR",
                        ),
                        name="submission_part_of_upload",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("upload__isnull", False),
                            models.Q(("state", "draft"), _negated=True),
                            _connector="OR",
                        ),
                        name="submission_draft_of_upload",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["draft", "received", "ingested", "quarantined"])),
                        name="submission_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("format__in", ["stix", "ndjson", "ocsf", "misp", "csv"])),
                        name="submission_format_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ingested_at__isnull", False), ("state", "ingested")),
                            models.Q(("state", "ingested"), _negated=True),
                            _connector="OR",
                        ),
                        name="submission_ingested_at_set",
                    ),
                    models.UniqueConstraint(
                        fields=("organization", "idempotency_key"), name="submission_idempotency_once"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Finding",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("uid", models.TextField(help_text="OCSF finding_info.uid.")),
                ("object_id", models.TextField(help_text="STIX id of its indicator.")),
                ("created", models.TextField(help_text="Of its first version; every later one repeats it.")),
                ("version", models.TextField(help_text="`modified` of its latest version.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("live", "Live"),
                            ("withdrawn", "Withdrawn"),
                            ("false-positive", "False positive"),
                        ],
                        default="live",
                        max_length=14,
                    ),
                ),
                ("received_at", models.DateTimeField(help_text="When its latest version came.")),
                (
                    "community",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="accounts.community"
                    ),
                ),
                (
                    "detector",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="indicators.detector"),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.organization",
                    ),
                ),
                (
                    "submission",
                    models.ForeignKey(
                        db_index=False,
                        help_text="That brought its latest version.",
                        on_delete=django.db.models.deletion.PROTECT,
                        to="indicators.submission",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("community", "organization", "uid"), name="finding_once"),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["live", "withdrawn", "false-positive"])),
                        name="finding_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("uid", ""), _negated=True), name="finding_has_uid"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Draft",
            fields=[
                ("writers", models.ManyToManyField(related_name="+", to=settings.AUTH_USER_MODEL)),
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("object_type", models.TextField()),
                ("object_id", models.TextField(help_text="STIX id, given when it is begun.")),
                ("body", models.JSONField()),
                ("leftover", models.JSONField(default=dict)),
                (
                    "techniques",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        default=list,
                        help_text="Ids of techniques that it is a case of, said along with it.",
                        size=None,
                    ),
                ),
                (
                    "follows",
                    models.TextField(
                        help_text="`modified` of the version that it follows; none: it is the first.",
                        null=True,
                    ),
                ),
                (
                    "reason",
                    models.TextField(
                        blank=True, help_text="Why, of a revocation or of what undoes something."
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("draft", "Draft"), ("submitted", "Submitted"), ("discarded", "Discarded")],
                        default="draft",
                        max_length=9,
                    ),
                ),
                (
                    "version",
                    models.IntegerField(
                        default=1, help_text="Counts its changes: nobody saves over another's."
                    ),
                ),
                (
                    "page",
                    models.CharField(
                        blank=True, help_text="The open page that saved it last.", max_length=36
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("saved_at", models.DateTimeField()),
                (
                    "author",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "community",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="accounts.community"
                    ),
                ),
                (
                    "lowered_by",
                    models.ForeignKey(
                        db_index=False,
                        help_text="Who gave it a lower TLP than the version that it follows has: somebody else submits it.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        help_text="Whose word it is.",
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.organization",
                    ),
                ),
                (
                    "saved_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "submission",
                    models.OneToOneField(
                        null=True, on_delete=django.db.models.deletion.PROTECT, to="indicators.submission"
                    ),
                ),
                (
                    "submitted_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["organization", "-saved_at"], name="draft_by_age"),
                    models.Index(fields=["community", "object_id"], name="draft_by_object"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["draft", "submitted", "discarded"])),
                        name="draft_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("state", "submitted"),
                                ("submission__isnull", False),
                                ("submitted_by__isnull", False),
                            ),
                            models.Q(
                                models.Q(("state", "submitted"), _negated=True),
                                ("submission__isnull", True),
                                ("submitted_by__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="draft_submitted_has_submission",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("submitted_by__isnull", True),
                            ("lowered_by__isnull", True),
                            models.Q(("lowered_by", models.F("submitted_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="draft_lowered_by_two",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("version__gte", 1)), name="draft_version_counts"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "draft")),
                        fields=("community", "organization", "object_id"),
                        name="draft_one_open",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Claim",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("object_id", models.TextField()),
                (
                    "version",
                    models.TextField(
                        help_text="Sortable: nine fractional digits; empty for objects without versions."
                    ),
                ),
                (
                    "tlp",
                    models.SmallIntegerField(
                        choices=[
                            (0, "TLP:CLEAR"),
                            (1, "TLP:GREEN"),
                            (2, "TLP:AMBER"),
                            (3, "TLP:AMBER+STRICT"),
                            (4, "TLP:RED"),
                        ],
                        help_text="What it counts as.",
                    ),
                ),
                (
                    "references",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None),
                ),
                ("body", models.BinaryField(help_text="RFC 8785 bytes.")),
                ("signature", models.TextField(help_text="Detached JWS over `body`, made when it came in.")),
                ("first_received_at", models.DateTimeField()),
                ("received_at", models.DateTimeField()),
                (
                    "revoked",
                    models.BooleanField(default=False, help_text="What its source's latest version says."),
                ),
                ("withdrawn_at", models.DateTimeField(help_text="When its source deleted it.", null=True)),
                (
                    "community",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="accounts.community"
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.organization",
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="indicators.subject"),
                ),
                (
                    "submission",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="indicators.submission",
                    ),
                ),
                (
                    "home",
                    models.ForeignKey(
                        db_index=False,
                        help_text="The subject of its identity, where the journal has it count for another.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="indicators.subject",
                    ),
                ),
                (
                    "detector",
                    models.ForeignKey(
                        db_index=False,
                        help_text="Whose finding says it; nobody's where the organisation says it otherwise too.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="indicators.detector",
                    ),
                ),
                (
                    "stated_tlp",
                    models.SmallIntegerField(
                        choices=[
                            (0, "TLP:CLEAR"),
                            (1, "TLP:GREEN"),
                            (2, "TLP:AMBER"),
                            (3, "TLP:AMBER+STRICT"),
                            (4, "TLP:RED"),
                        ],
                        help_text="What its source marked it, or the community's default; `tlp` is another where an analyst said so.",
                    ),
                ),
                (
                    "sender_signature",
                    models.TextField(
                        db_default="",
                        default="",
                        help_text="Its sender's own detached JWS over `body`; empty where it did not sign.",
                    ),
                ),
                (
                    "erased_at",
                    models.DateTimeField(
                        help_text="When its content was destroyed: `body` has type and id only, and nothing is signed.",
                        null=True,
                    ),
                ),
            ],
            options={
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(fields=["references"], name="claim_references"),
                    models.Index(
                        condition=models.Q(("home__isnull", False)), fields=["home"], name="claim_home"
                    ),
                    models.Index(
                        condition=models.Q(("detector__isnull", False)),
                        fields=["detector"],
                        name="claim_detector",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("community", "object_id", "organization"), name="claim_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("tlp__in", [0, 1, 2, 3, 4])), name="claim_tlp_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("stated_tlp__in", [0, 1, 2, 3, 4])), name="claim_stated_tlp_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("stated_tlp__lt", 4), ("tlp", 4), _connector="OR"),
                        name="claim_red_stays_red",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("received_at__gte", models.F("first_received_at"))),
                        name="claim_times_ordered",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("home__isnull", True),
                            models.Q(("home", models.F("subject")), _negated=True),
                            _connector="OR",
                        ),
                        name="claim_home_is_another",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("erased_at__isnull", True),
                            models.Q(
                                ("references", []),
                                ("sender_signature", ""),
                                ("signature", ""),
                                ("withdrawn_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="claim_erased_says_nothing",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SubmittedObject",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "submission_id",
                        "ordinal",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("ordinal", models.IntegerField()),
                (
                    "object_id",
                    models.TextField(help_text="As sent, or its place in the body if it has none."),
                ),
                (
                    "version",
                    models.TextField(
                        help_text="`modified`, else `created`, as sent; empty if it has neither."
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("new", "New"),
                            ("merged", "Merged"),
                            ("duplicate", "Duplicate"),
                            ("rejected", "Rejected"),
                        ],
                        max_length=12,
                    ),
                ),
                ("reason", models.CharField(max_length=64)),
                ("sentence", models.TextField()),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="indicators.subject",
                    ),
                ),
                (
                    "submission",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="indicators.submission",
                    ),
                ),
                (
                    "place",
                    models.TextField(
                        default="", help_text="Where in the body it stands, or what it was made of."
                    ),
                ),
                (
                    "note",
                    models.TextField(
                        default="", help_text="What was left out, or is worth knowing; it refused nothing."
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("outcome__in", ["new", "merged", "duplicate", "rejected"])),
                        name="submitted_outcome_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AllowlistEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("network", indicators.models.CidrField(null=True)),
                ("domain", models.TextField(help_text="In normal form.", null=True)),
                (
                    "subdomains",
                    models.BooleanField(default=True, help_text="Whether a domain covers all below it."),
                ),
                ("asn_first", models.BigIntegerField(null=True)),
                ("asn_last", models.BigIntegerField(null=True)),
                ("note", models.TextField(blank=True, help_text="What it is, or why it is here.")),
                (
                    "allowlist",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="entries",
                        to="indicators.allowlist",
                    ),
                ),
            ],
            options={
                "verbose_name": "allow-list entry",
                "verbose_name_plural": "allow-list entries",
                "indexes": [
                    django.contrib.postgres.indexes.GistIndex(
                        condition=models.Q(("network__isnull", False)),
                        fields=["network"],
                        name="allowlist_entry_network",
                        opclasses=["inet_ops"],
                    ),
                    models.Index(
                        condition=models.Q(("domain__isnull", False)),
                        fields=["domain"],
                        name="allowlist_entry_domain",
                    ),
                    django.contrib.postgres.indexes.GistIndex(
                        models.Func("asn_first", "asn_last", models.Value("[]"), function="int8range"),
                        condition=models.Q(("asn_first__isnull", False)),
                        name="allowlist_entry_asns",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("allowlist", "network", "domain", "asn_first", "asn_last"),
                        name="allowlist_entry_once",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("asn_first__isnull", True),
                                ("asn_last__isnull", True),
                                ("domain__isnull", True),
                                ("network__isnull", False),
                            ),
                            models.Q(
                                ("asn_first__isnull", True),
                                ("asn_last__isnull", True),
                                ("domain__isnull", False),
                                ("network__isnull", True),
                            ),
                            models.Q(
                                ("asn_first__isnull", False),
                                ("asn_last__gte", models.F("asn_first")),
                                ("domain__isnull", True),
                                ("network__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="allowlist_entry_exactly_one",
                    ),
                ],
            },
        ),
        migrations.RunPython(_TECHNIQUES.seed, migrations.RunPython.noop),
        migrations.RunPython(_ALLOWLISTS.seed, migrations.RunPython.noop),
    ]
