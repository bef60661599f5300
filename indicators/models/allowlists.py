"""What must never be published, and how many people are behind what may be."""

from django.contrib.postgres.indexes import GistIndex
from django.db import models
from django.db.models import F, Func, Q, Value

from indicators.models.observables import CidrField


class ListSource(models.TextChoices):
    """Where an allow-list comes from."""

    BUILT_IN = "built-in", "Built in"
    FILE = "file", "A file"
    DESK = "desk", "The desk"


class Allowlist(models.Model):
    """A list of what must never be published; it holds for all communities."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    version = models.BigIntegerField(default=1)
    source = models.CharField(max_length=8, choices=ListSource.choices)
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "allow-list"
        constraints = [
            models.CheckConstraint(condition=Q(source__in=ListSource.values), name="allowlist_source_known"),
        ]

    def __str__(self) -> str:
        return self.name


class AllowlistEntry(models.Model):
    """A network, a domain or a range of AS numbers on a list; exactly one of the three."""

    id = models.BigAutoField(primary_key=True)
    allowlist = models.ForeignKey(Allowlist, on_delete=models.CASCADE, related_name="entries", db_index=False)
    network = CidrField(null=True)
    domain = models.TextField(null=True, help_text="In normal form.")
    subdomains = models.BooleanField(default=True, help_text="Whether a domain covers all below it.")
    asn_first = models.BigIntegerField(null=True)
    asn_last = models.BigIntegerField(null=True)
    note = models.TextField(blank=True, help_text="What it is, or why it is here.")

    class Meta:
        verbose_name = "allow-list entry"
        verbose_name_plural = "allow-list entries"
        constraints = [
            models.UniqueConstraint(
                fields=["allowlist", "network", "domain", "asn_first", "asn_last"],
                nulls_distinct=False,
                name="allowlist_entry_once",
            ),
            models.CheckConstraint(
                condition=Q(
                    network__isnull=False, domain__isnull=True, asn_first__isnull=True, asn_last__isnull=True
                )
                | Q(network__isnull=True, domain__isnull=False, asn_first__isnull=True, asn_last__isnull=True)
                | Q(
                    network__isnull=True,
                    domain__isnull=True,
                    asn_first__isnull=False,
                    asn_last__gte=F("asn_first"),
                ),
                name="allowlist_entry_exactly_one",
            ),
        ]
        indexes = [
            GistIndex(
                fields=["network"],
                opclasses=["inet_ops"],
                condition=Q(network__isnull=False),
                name="allowlist_entry_network",
            ),
            models.Index(fields=["domain"], condition=Q(domain__isnull=False), name="allowlist_entry_domain"),
            GistIndex(
                Func("asn_first", "asn_last", Value("[]"), function="int8range"),
                condition=Q(asn_first__isnull=False),
                name="allowlist_entry_asns",
            ),
        ]

    def __str__(self) -> str:
        if self.asn_first is None:
            return str(self.network or self.domain)
        last = "" if self.asn_last == self.asn_first else f"-AS{self.asn_last}"
        return f"AS{self.asn_first}{last}"


class PopulationKind(models.TextChoices):
    """What stands at an address, as far as it tells how many people are behind it."""

    RESIDENTIAL = "residential", "Residential"
    MOBILE = "mobile", "Mobile"
    CGNAT = "cgnat", "Shared by a carrier (CGNAT)"
    VPN = "vpn", "VPN or proxy"
    ENTERPRISE = "enterprise", "Company or school"
    HOSTING = "hosting", "Hosting"
    SERVICE = "service", "A service that people use"
    OTHER = "other", "Other"


class Population(models.Model):
    """How many people are estimated to be behind a network, domain or AS number; one of the three.

    Loaded by the operator (`manage.py load_populations`); `indicators.allowlists.blast` says what follows from it.
    """

    id = models.BigAutoField(primary_key=True)
    network = CidrField(null=True)
    domain = models.TextField(null=True, help_text="In normal form; it holds for all below it.")
    asn = models.BigIntegerField(null=True)
    users = models.BigIntegerField(help_text="Behind all of it.")
    kind = models.CharField(max_length=12, choices=PopulationKind.choices)
    note = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["network", "domain", "asn"], nulls_distinct=False, name="population_once"
            ),
            models.CheckConstraint(condition=Q(users__gte=0), name="population_counted"),
            models.CheckConstraint(condition=Q(kind__in=PopulationKind.values), name="population_kind_known"),
            models.CheckConstraint(
                condition=Q(network__isnull=False, domain__isnull=True, asn__isnull=True)
                | Q(network__isnull=True, domain__isnull=False, asn__isnull=True)
                | Q(network__isnull=True, domain__isnull=True, asn__isnull=False),
                name="population_exactly_one",
            ),
        ]
        indexes = [
            GistIndex(
                fields=["network"],
                opclasses=["inet_ops"],
                condition=Q(network__isnull=False),
                name="population_network",
            ),
            models.Index(fields=["domain"], condition=Q(domain__isnull=False), name="population_domain"),
            models.Index(fields=["asn"], condition=Q(asn__isnull=False), name="population_asn"),
        ]

    def __str__(self) -> str:
        return str(self.network or self.domain or f"AS{self.asn}")
