"""All that 0001 to 0016 make, for a database that is new (see that of accounts)."""

from importlib import import_module
import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.lookups
import uuid
from django.conf import settings
from django.db import migrations, models

_PUBLISHER = import_module("sharing.migrations.0002_publisher_and_storage")
_TWO_PEOPLE = import_module("sharing.migrations.0005_two_people")
_TWO_ANALYSTS = import_module("sharing.migrations.0007_two_analysts")
_TILES = import_module("sharing.migrations.0010_tiles")
_ERASURE = import_module("sharing.migrations.0014_erasure")
_SUBMITTERS = import_module("sharing.migrations.0015_submitters")
_WITHDRAWN_AT_COMMIT = import_module("sharing.migrations.0016_withdrawn_at_commit")


class Migration(migrations.Migration):
    replaces = [
        ("sharing", "0001_initial"),
        ("sharing", "0002_publisher_and_storage"),
        ("sharing", "0003_time"),
        ("sharing", "0004_webhooks"),
        ("sharing", "0005_two_people"),
        ("sharing", "0006_polls_and_counts"),
        ("sharing", "0007_two_analysts"),
        ("sharing", "0008_rare_states"),
        ("sharing", "0009_merkle_tree"),
        ("sharing", "0010_tiles"),
        ("sharing", "0011_log_refusals"),
        ("sharing", "0012_trust_root"),
        ("sharing", "0013_witnesses"),
        ("sharing", "0014_erasure"),
        ("sharing", "0015_submitters"),
        ("sharing", "0016_withdrawn_at_commit"),
    ]

    initial = True

    dependencies = [
        ("accounts", "0001_squashed_0008_acknowledgement"),
        ("indicators", "0001_squashed_0019_erasure"),
    ]

    operations = [
        migrations.CreateModel(
            name="Collection",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("alias", models.SlugField(max_length=64)),
                ("title", models.CharField(max_length=200)),
                ("description", models.TextField(blank=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("feed", "Feed: the service"),
                            ("open", "Open: members with write access"),
                            ("inbox", "Inbox: one member"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "ceiling",
                    models.SmallIntegerField(
                        choices=[
                            (0, "TLP:CLEAR"),
                            (1, "TLP:GREEN"),
                            (2, "TLP:AMBER"),
                            (3, "TLP:AMBER+STRICT"),
                            (4, "TLP:RED"),
                        ],
                        help_text="The most restrictive TLP that it may hold.",
                    ),
                ),
                (
                    "profile",
                    models.CharField(
                        choices=[("full", "Full: everything"), ("core", "Core: what SIEMs take")],
                        default="full",
                        max_length=8,
                    ),
                ),
                ("next_index", models.BigIntegerField(default=0, editable=False)),
                (
                    "last_added",
                    models.BigIntegerField(default=0, editable=False, help_text="Microseconds since 1970."),
                ),
                (
                    "largest",
                    models.IntegerField(
                        default=0, editable=False, help_text="Bytes of the largest object that it ever held."
                    ),
                ),
                (
                    "community",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="collections",
                        to="accounts.community",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        help_text="Of an inbox.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.organization",
                    ),
                ),
                (
                    "edge",
                    models.BinaryField(
                        default=b"",
                        help_text="The right edge of its Merkle tree at `next_index` (tlog.merkle).",
                    ),
                ),
                (
                    "epoch",
                    models.IntegerField(
                        default=0,
                        editable=False,
                        help_text="Counts what changed openings that stand, such as new signatures, and did not lengthen the log.",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "inbox"), _negated=True),
                        fields=("community", "alias"),
                        name="collection_alias_once",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "inbox")),
                        fields=("community", "owner"),
                        name="collection_inbox_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "inbox"), ("owner__isnull", False)),
                            models.Q(models.Q(("kind", "inbox"), _negated=True), ("owner__isnull", True)),
                            _connector="OR",
                        ),
                        name="collection_inbox_owned",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["feed", "open", "inbox"])),
                        name="collection_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ceiling__in", [0, 1, 2, 3, 4])), name="collection_ceiling_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "feed"), _negated=True), ("ceiling__lt", 4), _connector="OR"
                        ),
                        name="collection_feed_never_red",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("profile__in", ["full", "core"])), name="collection_profile_known"
                    ),
                    models.CheckConstraint(
                        condition=django.db.models.lookups.Exact(
                            models.Func(
                                models.F("edge"),
                                function="octet_length",
                                output_field=models.BigIntegerField(),
                            ),
                            models.Func(
                                models.F("next_index"),
                                output_field=models.BigIntegerField(),
                                template="32 * bit_count(%(expressions)s::bit(64))",
                            ),
                        ),
                        name="collection_edge_fits",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="NoticesSeen",
            fields=[
                (
                    "member",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("up_to", models.BigIntegerField(help_text="The id of a notice.")),
                ("seen_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "notices seen",
            },
        ),
        migrations.CreateModel(
            name="LogRefusal",
            fields=[
                (
                    "collection",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to="sharing.collection",
                    ),
                ),
                ("sentence", models.TextField()),
                ("refused_at", models.DateTimeField(help_text="When it began.")),
            ],
        ),
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "collection_id", "size", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "collection",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="sharing.collection"
                    ),
                ),
                ("size", models.BigIntegerField()),
                ("root", models.BinaryField(max_length=32)),
                ("note", models.TextField(help_text="The signed note, with the log's own signature lines.")),
                (
                    "cosignatures",
                    models.TextField(
                        blank=True, default="", help_text="Witnesses' signature lines over this note."
                    ),
                ),
                ("signed_at", models.DateTimeField()),
                (
                    "quorum",
                    models.BinaryField(
                        help_text="SHA-256 of the witness policy that its cosignatures meet.",
                        max_length=32,
                        null=True,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("quorum__isnull", False)),
                        fields=["collection", "quorum", "-size"],
                        name="checkpoint_with_quorum",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CollectionGrant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("can_read", models.BooleanField(default=False)),
                ("can_write", models.BooleanField(default=False)),
                (
                    "collection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="grants",
                        to="sharing.collection",
                    ),
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
                    models.UniqueConstraint(
                        fields=("organization", "collection"), name="collection_grant_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("can_read", True), ("can_write", True), _connector="OR"),
                        name="collection_grant_not_empty",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DailyCount",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.DateField()),
                (
                    "measure",
                    models.CharField(
                        choices=[
                            ("submissions", "Submissions, by community and organisation"),
                            ("objects", "Objects in submissions, by community and organisation"),
                            ("released", "Indicators that first stood in a feed, by feed"),
                            ("technique", "The same, by feed and phase or technique"),
                            ("confidence", "Indicators that stand in a feed, by feed and confidence"),
                        ],
                        max_length=12,
                    ),
                ),
                ("scope", models.UUIDField(help_text="Of what: a community or a feed.")),
                (
                    "key",
                    models.TextField(
                        blank=True, help_text="By what: an organisation, a technique, a confidence."
                    ),
                ),
                ("count", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("measure", "day", "scope", "key"), name="daily_count_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("measure__in", ["submissions", "objects", "released", "technique", "confidence"])
                        ),
                        name="daily_count_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("count__gte", 0)), name="daily_count_not_negative"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Entry",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "collection_id",
                        "index",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("index", models.BigIntegerField()),
                ("added", models.BigIntegerField(help_text="Microseconds since 1970.")),
                ("object_id", models.TextField(null=True)),
                ("object_type", models.TextField(null=True)),
                ("spec_version", models.TextField(null=True)),
                (
                    "version",
                    models.TextField(help_text="As the object says it; of an SCO its date added.", null=True),
                ),
                ("version_key", models.TextField(help_text="Sortable: nine fractional digits.", null=True)),
                ("tlp", models.SmallIntegerField(null=True)),
                ("body", models.BinaryField(help_text="RFC 8785 bytes, as signed and served.", null=True)),
                (
                    "opening",
                    models.BinaryField(
                        help_text="Salt, statement and signature as JSON, ready to join into a proof page."
                    ),
                ),
                (
                    "commitment",
                    models.BinaryField(help_text="The entry of the Merkle log (trust.md).", max_length=33),
                ),
                ("subsalt", models.BinaryField(max_length=32, null=True)),
                (
                    "submitter",
                    models.BinaryField(
                        help_text="The record that the statement's `sub` commits to.", null=True
                    ),
                ),
                ("is_first", models.BooleanField(default=False)),
                ("is_last", models.BooleanField(default=False)),
                ("withdrawn_by", models.BigIntegerField(null=True)),
                (
                    "collection",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="sharing.collection"
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        help_text="Who posted it; of no feed.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("is_last", True)),
                        fields=["collection", "added"],
                        name="entry_page",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("collection", "added"), name="entry_added_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("body__isnull", False)),
                        fields=("collection", "object_id", "version_key"),
                        name="entry_version_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("body__isnull", True), ("is_first", False), ("is_last", False)),
                            models.Q(
                                ("body__isnull", False),
                                ("object_id__isnull", False),
                                ("object_type__isnull", False),
                                ("spec_version__isnull", False),
                                ("tlp__isnull", False),
                                ("version__isnull", False),
                                ("version_key__isnull", False),
                                ("withdrawn_by__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="entry_whole_or_gone",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("proposed", "Waits for a second person"),
                            ("confirmed", "Being erased"),
                            ("done", "Erased"),
                            ("dropped", "Not confirmed"),
                            ("lifted", "Erased; may be sent again"),
                        ],
                        default="proposed",
                        max_length=9,
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        help_text="Of the order: court, authority, file number.", max_length=200
                    ),
                ),
                (
                    "subjects",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(),
                        help_text="Those chosen; their twins in other communities follow.",
                        size=None,
                    ),
                ),
                ("counts", models.JSONField(default=dict, help_text="What was erased, by kind.")),
                ("ordered_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("done_at", models.DateTimeField(null=True)),
                ("lifted_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "confirmed")), fields=["id"], name="erasure_to_run"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["proposed", "confirmed", "done", "dropped", "lifted"])
                        ),
                        name="erasure_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reference", ""), _negated=True), name="erasure_has_reference"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("subjects__len__gt", 0)), name="erasure_of_something"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["proposed", "dropped"]),
                            ("confirmed_at__isnull", False),
                            _connector="OR",
                        ),
                        name="erasure_confirmed_at_set",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Barred",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "digest",
                    models.BinaryField(help_text="HMAC-SHA-256 (sharing/actions/barring.py).", max_length=32),
                ),
                (
                    "key_check",
                    models.BinaryField(help_text="Tells by which SECRET_KEY it was made.", max_length=8),
                ),
                (
                    "erasure",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="barred",
                        to="sharing.erasure",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "barred",
                "constraints": [models.UniqueConstraint(fields=("digest", "erasure"), name="barred_once")],
            },
        ),
        migrations.CreateModel(
            name="Given",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("member", models.TextField(blank=True, help_text="The username, of an export.")),
                (
                    "way",
                    models.CharField(
                        choices=[
                            ("page", "Pages of objects"),
                            ("proof", "Pages with proofs"),
                            ("object", "Single objects"),
                            ("manifest", "Manifests and versions: ids only"),
                            ("opening", "Openings of the log"),
                            ("bundle", "Bundles of object and proof"),
                            ("export", "Exports at the desk"),
                        ],
                        max_length=8,
                    ),
                ),
                ("from_added", models.BigIntegerField(help_text="Microseconds since 1970, inclusive.")),
                ("to_added", models.BigIntegerField(help_text="Inclusive.")),
                ("at", models.DateTimeField()),
                ("until", models.DateTimeField()),
                (
                    "collection",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="sharing.collection"
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="accounts.organization",
                    ),
                ),
                (
                    "token",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="accounts.token",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "given",
                "indexes": [
                    models.Index(fields=["collection", "to_added"], name="given_of_collection"),
                    models.Index(fields=["until"], name="given_by_age"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "way__in",
                                ["page", "proof", "object", "manifest", "opening", "bundle", "export"],
                            )
                        ),
                        name="given_way_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("to_added__gte", models.F("from_added")), ("until__gte", models.F("at"))
                        ),
                        name="given_in_order",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Poll",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "token_id",
                        "collection_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "token",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="polls",
                        to="accounts.token",
                    ),
                ),
                (
                    "collection",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="sharing.collection"),
                ),
                (
                    "added",
                    models.BigIntegerField(
                        help_text="Microseconds since 1970: all that was added up to then and matched its filters was given to it."
                    ),
                ),
                (
                    "at_head",
                    models.BooleanField(help_text="Whether its last answer said that there is no more."),
                ),
                (
                    "objects_given",
                    models.BigIntegerField(default=0, help_text="In all answers, also those given again."),
                ),
                ("polled_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("added__gte", 0), ("objects_given__gte", 0)), name="poll_counted"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Publisher",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("identity_id", models.TextField(help_text="STIX id of its identity object.")),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="publisher_one")],
            },
        ),
        migrations.CreateModel(
            name="Reached",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("index", models.BigIntegerField()),
                ("member", models.TextField(blank=True)),
                (
                    "ways",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        help_text="Empty: it had access while nothing was recorded yet.",
                        size=None,
                    ),
                ),
                ("first_at", models.DateTimeField(null=True)),
                ("last_at", models.DateTimeField(null=True)),
                (
                    "collection",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="sharing.collection"
                    ),
                ),
                (
                    "notice",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to="accounts.notice"
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="accounts.organization"
                    ),
                ),
                (
                    "token",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="accounts.token",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "reached",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("collection", "index", "organization", "token", "member"),
                        name="reached_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Release",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "ceiling",
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
                    "published_id",
                    models.TextField(
                        help_text="Fixed at first sight; the partner's own id for what passes unchanged."
                    ),
                ),
                (
                    "decision",
                    models.CharField(
                        choices=[("release", "Release"), ("review", "Review"), ("withhold", "Withhold")],
                        max_length=8,
                    ),
                ),
                ("reason", models.CharField(max_length=64)),
                ("sentence", models.TextField()),
                (
                    "digest",
                    models.BinaryField(
                        help_text="Of the last version published, to see a change.", max_length=32, null=True
                    ),
                ),
                (
                    "created",
                    models.TextField(blank=True, help_text="Of the service's own object; never changes."),
                ),
                ("modified", models.TextField(blank=True, help_text="Of the last version published.")),
                (
                    "revoked",
                    models.BooleanField(
                        default=False, help_text="Whether the last version published says so."
                    ),
                ),
                ("sources", models.SmallIntegerField(default=0)),
                ("confidence", models.SmallIntegerField(null=True)),
                (
                    "missing",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        default=list,
                        help_text="Ids that it waits for.",
                        size=None,
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="indicators.subject"
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        help_text="When its confidence falls, if nobody says anything.", null=True
                    ),
                ),
                (
                    "ticked_at",
                    models.DateTimeField(
                        help_text="When time was last let pass for its confidence.", null=True
                    ),
                ),
                (
                    "expires_at",
                    models.DateTimeField(help_text="`valid_until` of the indicator that stands.", null=True),
                ),
                (
                    "former_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        db_default=models.Value(
                            [],
                            output_field=django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), size=None
                            ),
                        ),
                        default=list,
                        help_text="Published ids under which it stood before.",
                        size=None,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["published_id"], name="release_by_published_id"),
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="release_due"
                    ),
                    models.Index(
                        condition=models.Q(("expires_at__isnull", False)),
                        fields=["expires_at"],
                        name="release_expires",
                    ),
                    models.Index(
                        condition=models.Q(("decision", "review")),
                        fields=["subject"],
                        name="release_in_review",
                    ),
                    models.Index(
                        condition=models.Q(("decision", "withhold")),
                        fields=["subject"],
                        name="release_withheld",
                    ),
                    models.Index(
                        condition=models.Q(("revoked", True)), fields=["subject"], name="release_revoked"
                    ),
                    models.Index(
                        condition=models.Q(("confidence", 30)), fields=["due_at"], name="release_soon_low"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("subject", "ceiling"), name="release_once"),
                    models.CheckConstraint(
                        condition=models.Q(("decision__in", ["release", "review", "withhold"])),
                        name="release_decision_known",
                    ),
                    models.CheckConstraint(condition=models.Q(("ceiling__lt", 4)), name="release_never_red"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Review",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                            ("closed", "Closed: no longer needed"),
                        ],
                        default="pending",
                        max_length=8,
                    ),
                ),
                (
                    "sources",
                    models.SmallIntegerField(
                        help_text="How many organisations say it, or said it when it was decided."
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(null=True)),
                ("decision_reason", models.TextField(blank=True)),
                (
                    "community",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="accounts.community"),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "release",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="sharing.release"),
                ),
                (
                    "blast_limit",
                    models.BigIntegerField(
                        db_default=0,
                        help_text="Above so many, two people release it; as set when the case was looked at last.",
                    ),
                ),
                (
                    "blast_radius",
                    models.BigIntegerField(
                        db_default=0, help_text="Estimated users behind what it names (docs/desk.md)."
                    ),
                ),
                (
                    "ceiling",
                    models.SmallIntegerField(
                        choices=[
                            (0, "TLP:CLEAR"),
                            (1, "TLP:GREEN"),
                            (2, "TLP:AMBER"),
                            (3, "TLP:AMBER+STRICT"),
                            (4, "TLP:RED"),
                        ],
                        db_default=0,
                    ),
                ),
                ("confidence", models.SmallIntegerField(db_default=-1, help_text="-1 for what has none.")),
                ("object_type", models.TextField(db_default="")),
                (
                    "reason",
                    models.CharField(db_default="", help_text="Why an analyst decides.", max_length=64),
                ),
                (
                    "seconded_by",
                    models.ForeignKey(
                        db_index=False,
                        help_text="The second person, where it takes two.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "title",
                    models.TextField(
                        db_default="", help_text="The pattern, value or name, as the audience would see it."
                    ),
                ),
                ("viewed_at", models.DateTimeField(null=True)),
                (
                    "viewed_by",
                    models.ForeignKey(
                        db_index=False,
                        help_text="Who looks at it; nobody is kept from deciding.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organizations",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(),
                        db_default=models.Value(
                            [],
                            output_field=django.contrib.postgres.fields.ArrayField(
                                base_field=models.UUIDField(), size=None
                            ),
                        ),
                        default=list,
                        help_text="Whose claims its audience may see.",
                        size=None,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "pending")), fields=["id"], name="review_pending"
                    ),
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["confidence", "id"],
                        name="review_pending_confidence",
                    ),
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["blast_radius", "id"],
                        name="review_pending_blast",
                    ),
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["community", "ceiling", "id"],
                        name="review_pending_audience",
                    ),
                    django.contrib.postgres.indexes.GinIndex(
                        condition=models.Q(("state", "pending")),
                        fields=["organizations"],
                        name="review_pending_said_by",
                    ),
                    models.Index(
                        condition=models.Q(("state", "pending"), ("viewed_by__isnull", False)),
                        fields=["viewed_by"],
                        name="review_pending_viewed",
                    ),
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["community", "opened_at"],
                        name="review_waiting",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "pending")),
                        fields=("release",),
                        name="review_one_pending",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["pending", "approved", "rejected", "closed"])),
                        name="review_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["pending", "closed"]),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("decided_by__isnull", False),
                                models.Q(("decision_reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="review_decided_with_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("blast_radius__gt", models.F("blast_limit")),
                                ("state", "approved"),
                                _negated=True,
                            ),
                            ("seconded_by__isnull", False),
                            _connector="OR",
                        ),
                        name="review_wide_takes_two",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("seconded_by__isnull", True),
                            models.Q(
                                ("decided_by__isnull", False),
                                models.Q(("seconded_by", models.F("decided_by")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="review_seconded_by_another",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Proposal",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("lower-tlp", "Lower the TLP of a claim"),
                            ("disclose", "Tell an organisation who submitted it"),
                            ("release", "Release above the blast radius"),
                            ("erase", "Erase by legal order"),
                            ("lift", "Let what was erased be sent again"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Waits for a second person"),
                            ("confirmed", "Confirmed"),
                            ("declined", "Declined"),
                            ("withdrawn", "Withdrawn"),
                            ("over", "Over: what it was about has changed"),
                        ],
                        default="open",
                        max_length=12,
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
                        help_text="To which it is lowered.",
                        null=True,
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
                        help_text="What its source marked it when it was proposed.",
                        null=True,
                    ),
                ),
                ("reason", models.TextField()),
                ("proposed_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(null=True)),
                ("decision_reason", models.TextField(blank=True)),
                (
                    "claim",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, to="indicators.claim"
                    ),
                ),
                (
                    "community",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="accounts.community"
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
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
                        help_text="Who is told.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.organization",
                    ),
                ),
                (
                    "proposed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "review",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, to="sharing.review"
                    ),
                ),
                (
                    "erasure",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="proposals",
                        to="sharing.erasure",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(condition=models.Q(("state", "open")), fields=["id"], name="proposal_open")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["open", "confirmed", "declined", "withdrawn", "over"])
                        ),
                        name="proposal_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True), name="proposal_has_reason"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "confirmed"), _negated=True),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("decided_by__isnull", False),
                                models.Q(("decided_by", models.F("proposed_by")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="proposal_confirmed_by_another",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("claim__isnull", False),
                                ("erasure__isnull", True),
                                ("kind", "lower-tlp"),
                                ("organization__isnull", True),
                                ("review__isnull", True),
                                ("stated_tlp__isnull", False),
                                ("tlp__isnull", False),
                            ),
                            models.Q(
                                ("claim__isnull", False),
                                ("erasure__isnull", True),
                                ("kind", "disclose"),
                                ("organization__isnull", False),
                                ("review__isnull", True),
                                ("stated_tlp__isnull", True),
                                ("tlp__isnull", True),
                            ),
                            models.Q(
                                ("claim__isnull", True),
                                ("erasure__isnull", True),
                                ("kind", "release"),
                                ("organization__isnull", True),
                                ("review__isnull", False),
                                ("stated_tlp__isnull", True),
                                ("tlp__isnull", True),
                            ),
                            models.Q(
                                ("claim__isnull", True),
                                ("erasure__isnull", False),
                                ("kind__in", ["erase", "lift"]),
                                ("organization__isnull", True),
                                ("review__isnull", True),
                                ("stated_tlp__isnull", True),
                                ("tlp__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="proposal_of_one_thing",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("stated_tlp__isnull", True), ("stated_tlp__lt", 4), _connector="OR"
                        ),
                        name="proposal_leaves_red",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("kind", "claim", "review", "organization", "erasure"),
                        name="proposal_one_open",
                        nulls_distinct=False,
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Disclosure",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("index", models.BigIntegerField()),
                (
                    "collection",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="sharing.collection"
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
                    "proposal",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="sharing.proposal"),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "collection", "index"), name="disclosure_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=60)),
                (
                    "query",
                    models.TextField(blank=True, help_text="The filters, as in the address of the queue."),
                ),
                ("is_shared", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="saved_views",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("owner", "name"), name="saved_view_once"),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="saved_view_named"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                (
                    "kid",
                    models.CharField(
                        help_text="RFC 7638 thumbprint.", max_length=43, primary_key=True, serialize=False
                    ),
                ),
                ("jwk", models.JSONField()),
                ("created_at", models.DateTimeField()),
                (
                    "use_from",
                    models.DateTimeField(
                        help_text="A new key is published at least seven days before it signs."
                    ),
                ),
                (
                    "retired_at",
                    models.DateTimeField(
                        help_text="Signs nothing from here on; still verifies what it signed.", null=True
                    ),
                ),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("object", "Objects, receipts and deliveries (Ed25519)"),
                            ("log", "Checkpoints (Ed25519)"),
                            ("log-ml-dsa", "Checkpoints (ML-DSA-44)"),
                            ("trust", "The trust root's online roles (Ed25519)"),
                        ],
                        default="object",
                        max_length=12,
                    ),
                ),
                (
                    "from_index",
                    models.JSONField(
                        help_text="Of a revoked key: by digest of origin, the first entry that its signature counts for no more.",
                        null=True,
                    ),
                ),
                (
                    "revoked_at",
                    models.DateTimeField(
                        help_text="Lost: what it signed is signed anew, and proves nothing by itself.",
                        null=True,
                    ),
                ),
                ("revoked_because", models.TextField(blank=True, default="")),
                (
                    "trusted_at",
                    models.DateTimeField(
                        help_text="When the trust root first named it. Where a root stands, no other key signs.",
                        null=True,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("purpose__in", ["object", "log", "log-ml-dsa", "trust"])),
                        name="signing_key_purpose_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("from_index__isnull", True),
                                ("revoked_at__isnull", True),
                                ("revoked_because", ""),
                            ),
                            models.Q(
                                ("from_index__isnull", False),
                                ("retired_at__lte", models.F("revoked_at")),
                                ("revoked_at__isnull", False),
                                models.Q(("revoked_because", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="signing_key_revoked_whole",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Renewal",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "position",
                    models.BigIntegerField(default=0, help_text="The index, or id, that is looked at next."),
                ),
                ("renewed", models.BigIntegerField(default=0, help_text="Signatures that were made anew.")),
                ("due_at", models.DateTimeField(help_text="Not looked at before.")),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "collection",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="sharing.collection",
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="renewals",
                        to="sharing.signingkey",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("key", "collection"), name="renewal_once", nulls_distinct=False
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("position__gte", 0), ("renewed__gte", 0)), name="renewal_counted"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Silence",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
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
                ("last_received_at", models.DateTimeField()),
                ("noticed_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(help_text="When it was seen to send again.", null=True)),
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
                (
                    "token",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, to="accounts.token"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("organization", "community", "channel", "token"),
                        name="silence_one_open",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SubmitterKey",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kid", models.CharField(help_text="RFC 7638 thumbprint.", max_length=43)),
                ("jwk", models.JSONField()),
                (
                    "name",
                    models.CharField(help_text="What it is for, as its organisation says.", max_length=100),
                ),
                ("registered_at", models.DateTimeField()),
                ("registered_by", models.TextField(help_text="The actor, as in the audit trail.")),
                (
                    "retired_at",
                    models.DateTimeField(
                        help_text="What came in from here on is not taken as signed by it; what came before stays.",
                        null=True,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="submitter_keys",
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "kid"), name="submitter_key_once"),
                    models.CheckConstraint(
                        condition=models.Q(("kid__regex", "^[A-Za-z0-9_-]{43}$")),
                        name="submitter_key_thumbprint",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="submitter_key_named"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("retired_at__isnull", True),
                            ("retired_at__gte", models.F("registered_at")),
                            _connector="OR",
                        ),
                        name="submitter_key_retires_later",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "name",
                    models.TextField(
                        help_text="log:<feed>, submissions or confidence.", primary_key=True, serialize=False
                    ),
                ),
                (
                    "position",
                    models.BigIntegerField(default=0, help_text="Of a log: the index that is counted next."),
                ),
                ("counted_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "tallies",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("position__gte", 0)), name="tally_position")
                ],
            },
        ),
        migrations.CreateModel(
            name="Tile",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "collection_id",
                        "level",
                        "index",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "collection",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="sharing.collection"
                    ),
                ),
                ("level", models.SmallIntegerField()),
                ("index", models.BigIntegerField()),
                ("hashes", models.BinaryField(max_length=8192)),
                ("root", models.BinaryField(max_length=32)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(
                                models.Func(
                                    models.F("hashes"),
                                    function="octet_length",
                                    output_field=models.IntegerField(),
                                ),
                                models.Value(8192),
                            ),
                            django.db.models.lookups.Exact(
                                models.Func(
                                    models.F("root"),
                                    function="octet_length",
                                    output_field=models.IntegerField(),
                                ),
                                models.Value(32),
                            ),
                        ),
                        name="tile_full",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TrustFile",
            fields=[
                (
                    "path",
                    models.TextField(
                        help_text="metadata/1.root.json, targets/<sha256>.jwks.json, …",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("root", "Root: offline"),
                            ("targets", "Targets: offline"),
                            ("collections", "Collections: online"),
                            ("snapshot", "Snapshot: online"),
                            ("timestamp", "Timestamp: online"),
                        ],
                        help_text="Of metadata; a target has none.",
                        max_length=12,
                    ),
                ),
                ("version", models.BigIntegerField(help_text="Of metadata.", null=True)),
                ("content", models.BinaryField()),
                ("expires_at", models.DateTimeField(help_text="Of metadata.", null=True)),
                ("stored_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("expires_at__isnull", True), ("role", ""), ("version__isnull", True)),
                            models.Q(
                                ("expires_at__isnull", False),
                                ("role__in", ["root", "targets", "collections", "snapshot", "timestamp"]),
                                ("version__gte", 1),
                            ),
                            _connector="OR",
                        ),
                        name="trust_file_metadata_whole",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("role", ""), _negated=True),
                        fields=("role", "version"),
                        name="trust_file_version_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Waiting",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("missing", models.TextField(help_text="A STIX id, as the claim refers to it.")),
                (
                    "community",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="accounts.community"
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="indicators.subject"),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("community", "missing", "subject"), name="waiting_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Webhook",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("url", models.TextField()),
                (
                    "what",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[("receipts", "Receipts"), ("notices", "Notices")], max_length=8
                        ),
                        size=None,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("active", "Active"),
                            ("paused", "Paused: what is due waits"),
                            ("failing", "Failing: still tried, ever more seldom"),
                        ],
                        default="active",
                        max_length=8,
                    ),
                ),
                (
                    "internal",
                    models.BooleanField(
                        default=False,
                        help_text="The operator lets it be inside its own network, where others are refused.",
                    ),
                ),
                ("failures", models.IntegerField(default=0, help_text="Attempts in a row that failed.")),
                (
                    "next_at",
                    models.DateTimeField(
                        help_text="Nothing is sent to it before; whose is earliest is next."
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("created_by", models.TextField(help_text="The actor, as in the audit trail.")),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhooks",
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "url"), name="webhook_once"),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["active", "paused", "failing"])),
                        name="webhook_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("what__contained_by", ["receipts", "notices"]), ("what__len__gt", 0)
                        ),
                        name="webhook_what_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("receipt.ingested", "Receipt: ingested"),
                            ("receipt.decided", "Receipt: decided"),
                            ("notice", "Notice"),
                            ("test", "Test"),
                        ],
                        max_length=20,
                    ),
                ),
                ("body", models.BinaryField(help_text="RFC 8785 bytes, as signed and sent.", null=True)),
                ("signature", models.TextField(blank=True, help_text="Detached JWS.")),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "Pending"), ("delivered", "Delivered"), ("failed", "Failed")],
                        default="pending",
                        max_length=12,
                    ),
                ),
                ("attempts", models.IntegerField(default=0)),
                ("next_at", models.DateTimeField(help_text="When it is tried next, while pending.")),
                ("created_at", models.DateTimeField()),
                (
                    "started_at",
                    models.DateTimeField(
                        help_text="When it was first tried; three days on it has failed.", null=True
                    ),
                ),
                ("delivered_at", models.DateTimeField(null=True)),
                (
                    "last_status",
                    models.SmallIntegerField(help_text="HTTP status of the last answer.", null=True),
                ),
                ("last_error", models.TextField(blank=True)),
                (
                    "notice",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, to="accounts.notice"
                    ),
                ),
                (
                    "submission",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, to="indicators.submission"
                    ),
                ),
                (
                    "webhook",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="sharing.webhook",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "indexes": [
                    models.Index(
                        condition=models.Q(("body__isnull", False), ("state", "pending")),
                        fields=["webhook", "next_at"],
                        name="delivery_to_send",
                    ),
                    models.Index(
                        condition=models.Q(("body__isnull", True), ("state", "pending")),
                        fields=["next_at"],
                        name="delivery_to_write",
                    ),
                    models.Index(fields=["webhook", "-created_at", "-id"], name="delivery_by_webhook"),
                    models.Index(fields=["created_at"], name="delivery_by_age"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("submission__isnull", False)),
                        fields=("webhook", "submission", "kind"),
                        name="delivery_receipt_once",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("notice__isnull", False)),
                        fields=("webhook", "notice"),
                        name="delivery_notice_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("kind__in", ["receipt.ingested", "receipt.decided"]),
                                ("notice__isnull", True),
                                ("submission__isnull", False),
                            ),
                            models.Q(
                                ("kind", "notice"), ("notice__isnull", False), ("submission__isnull", True)
                            ),
                            models.Q(
                                ("kind", "test"), ("notice__isnull", True), ("submission__isnull", True)
                            ),
                            _connector="OR",
                        ),
                        name="delivery_tells_one_thing",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["pending", "delivered", "failed"])),
                        name="delivery_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "delivered"), _negated=True),
                            models.Q(("body__isnull", False), ("delivered_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="delivery_delivered_at_set",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                (
                    "status",
                    models.SmallIntegerField(help_text="HTTP status; none if nothing answered.", null=True),
                ),
                ("error", models.TextField(blank=True)),
                (
                    "delivery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tries",
                        to="sharing.delivery",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Withdrawal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "collection_id",
                        "index",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "collection",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="sharing.collection"
                    ),
                ),
                ("index", models.BigIntegerField()),
                ("withdrawn_by", models.BigIntegerField(help_text="The index of its `withdraw` statement.")),
                (
                    "added",
                    models.BigIntegerField(help_text="When the entry was added, in microseconds since 1970."),
                ),
                ("at", models.DateTimeField()),
                ("reason", models.CharField(help_text="As in the statement (trust.md).", max_length=12)),
                ("object_id", models.TextField()),
                ("version", models.TextField()),
                (
                    "told_at",
                    models.DateTimeField(
                        help_text="When it was found out who had pulled it, and they were told.", null=True
                    ),
                ),
                (
                    "erasure",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, to="sharing.erasure"
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        help_text="Who had posted it; of no feed.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            ("told_at__isnull", True), models.Q(("reason", "moved"), _negated=True)
                        ),
                        fields=["collection", "index"],
                        name="withdrawal_untold",
                    ),
                    models.Index(fields=["-at", "collection", "index"], name="withdrawal_by_age"),
                    models.Index(fields=["object_id"], name="withdrawal_of_object"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Witness",
            fields=[
                ("name", models.TextField(help_text="As in the policy.", primary_key=True, serialize=False)),
                ("next_at", models.DateTimeField(help_text="It is not asked before.")),
                ("answered_at", models.DateTimeField(help_text="When it last answered at all.", null=True)),
                (
                    "failures",
                    models.IntegerField(default=0, help_text="Turns in a row in which it did not answer."),
                ),
                (
                    "last_error",
                    models.TextField(blank=True, help_text="Why it did not, as long as it does not."),
                ),
            ],
            options={
                "verbose_name_plural": "witnesses",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("failures__gte", 0)), name="witness_failures_counted"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Witnessed",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "witness_id",
                        "collection_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "witness",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="sharing.witness"
                    ),
                ),
                (
                    "collection",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="sharing.collection"),
                ),
                ("size", models.BigIntegerField(default=0, help_text="Of the tree that it cosigned last.")),
                (
                    "cosigned_at",
                    models.DateTimeField(help_text="When it was last asked and cosigned.", null=True),
                ),
                ("next_at", models.DateTimeField(help_text="It is not asked about this log before.")),
                ("refusals", models.IntegerField(default=0, help_text="In a row.")),
                ("last_error", models.TextField(blank=True, help_text="Why it refuses, as long as it does.")),
            ],
            options={
                "verbose_name_plural": "witnessed",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("refusals__gte", 0), ("size__gte", 0)), name="witnessed_counted"
                    )
                ],
            },
        ),
        migrations.RunPython(_PUBLISHER.make_publisher, migrations.RunPython.noop),
        migrations.RunSQL([*_PUBLISHER.KEPT_AS_THEY_ARE, _TILES.KEPT_AS_THEY_ARE], migrations.RunSQL.noop),
        migrations.RunSQL(
            [_TWO_PEOPLE.PROPOSALS, _TWO_PEOPLE.CLAIMS, _TWO_PEOPLE.REVIEWS, _TWO_PEOPLE.NOTICES],
            [_TWO_PEOPLE.UNDO],
        ),
        migrations.RunSQL([_TWO_ANALYSTS.GUARD], [_TWO_ANALYSTS.UNDO]),
        migrations.RunSQL([_ERASURE.PROPOSALS], [_ERASURE.PROPOSALS_BEFORE]),
        migrations.RunSQL([_ERASURE.ERASURES], [_ERASURE.UNDO]),
        migrations.RunSQL(_SUBMITTERS.GUARD, _SUBMITTERS.UNDO),
        migrations.RunSQL(_WITHDRAWN_AT_COMMIT.COMMITTED, _WITHDRAWN_AT_COMMIT.UNDO),
    ]
