"""What a subject watches, and what it is found by."""

from django.contrib.postgres.indexes import GinIndex, GistIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Func, Q

from indicators.models.subjects import Subject


class CidrField(models.Field):  # type: ignore[type-arg] # it is no generic at run time
    """An IPv4 or IPv6 network, `ipaddress.ip_network`; an address is one of full length."""

    def db_type(self, connection: object) -> str:
        """PostgreSQL's own type: it holds no host bits, and a GiST index finds what overlaps."""
        return "cidr"


class Observable(models.Model):
    """A network, domain or AS number that a subject watches (`indicators.allowlists.watched`); one of the three."""

    id = models.BigAutoField(primary_key=True)
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)
    network = CidrField(null=True)
    domain = models.TextField(null=True, help_text="In normal form.")
    asn = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "network", "domain", "asn"], nulls_distinct=False, name="observable_once"
            ),
            models.CheckConstraint(
                condition=Q(network__isnull=False, domain__isnull=True, asn__isnull=True)
                | Q(network__isnull=True, domain__isnull=False, asn__isnull=True)
                | Q(network__isnull=True, domain__isnull=True, asn__isnull=False),
                name="observable_exactly_one",
            ),
        ]
        indexes = [
            GistIndex(
                fields=["network"],
                opclasses=["inet_ops"],
                condition=Q(network__isnull=False),
                name="observable_network",
            ),
            # `example.com` and all below it begin with `moc.elpmaxe.`, and nothing else does.
            models.Index(
                Func("domain", template="(reverse('.' || %(expressions)s) COLLATE \"C\")"),
                condition=Q(domain__isnull=False),
                name="observable_domain",
            ),
            models.Index(fields=["asn"], condition=Q(asn__isnull=False), name="observable_asn"),
        ]

    def __str__(self) -> str:
        return str(self.network or self.domain or f"AS{self.asn}")


class Term(models.Model):
    """A value that a subject is or watches, by its digest (`indicators.terms`); `Observable` has the other values."""

    pk = models.CompositePrimaryKey("digest", "subject_id")
    digest = models.BigIntegerField()
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)

    def __str__(self) -> str:
        return f"a value of subject {self.subject_id}"


class Wording(models.Model):
    """The words said of a subject (`indicators.terms`), also by older versions of what stands; `=` with its type."""

    subject = models.OneToOneField(Subject, on_delete=models.CASCADE, primary_key=True)
    words = SearchVectorField()

    class Meta:
        # Every search reads what waits to go into the index: it is kept short.
        indexes = [GinIndex(fields=["words"], name="wording_words", gin_pending_list_limit=256)]

    def __str__(self) -> str:
        return f"the words of subject {self.subject_id}"


class Reference(models.Model):
    """A subject that refers to an id, or did once: what leads from anything to what speaks of it."""

    pk = models.CompositePrimaryKey("target", "subject_id")
    target = models.TextField(help_text="A STIX id, as the claim refers to it.")
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)

    def __str__(self) -> str:
        return f"subject {self.subject_id} refers to {self.target}"
