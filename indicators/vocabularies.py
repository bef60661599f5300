"""The vocabularies of the distillation profile, where people pick from them.

The schemas are the authority (indicators/stix/schemas/distillation; tests compare). Closed ones are enumerations there;
of open ones (`-ov`) a partner may use other words too.
"""

from django.db.models import TextChoices


class CampaignStatus(TextChoices):
    """`campaign-status-enum`, closed: `status` and `status_at_detection` of a campaign."""

    ACTIVE = "active", "Active"
    DISRUPTED = "disrupted", "Disrupted"
    ENDED = "ended", "Ended"
    UNKNOWN = "unknown", "Unknown"


class ModelCapability(TextChoices):
    """`model-capability-ov`, open: `targeted_capabilities`."""

    REASONING = "reasoning", "Reasoning"
    AGENTIC_REASONING = "agentic-reasoning", "Agentic reasoning"
    CHAIN_OF_THOUGHT = "chain-of-thought", "Chain of thought"
    TOOL_USE = "tool-use", "Tool use"
    TOOL_ORCHESTRATION = "tool-orchestration", "Tool orchestration"
    CODING = "coding", "Coding"
    AGENTIC_CODING = "agentic-coding", "Agentic coding"
    DATA_ANALYSIS = "data-analysis", "Data analysis"
    COMPUTER_USE = "computer-use", "Computer use"
    COMPUTER_VISION = "computer-vision", "Computer vision"
    RUBRIC_GRADING = "rubric-grading", "Rubric grading"
    POLICY_SAFE_REWRITING = "policy-safe-rewriting", "Policy-safe rewriting"
    MULTILINGUAL = "multilingual", "Multilingual"
    RL_TASK_GENERATION = "rl-task-generation", "Generation of tasks for reinforcement learning"
    OTHER = "other", "Other"


class AccessPathway(TextChoices):
    """`access-pathway-ov`, open: `access_pathways`."""

    DIRECT_API = "direct-api", "Direct API"
    CONSUMER_SUBSCRIPTION = "consumer-subscription", "Consumer subscription"
    FREE_TRIAL = "free-trial", "Free trial"
    EDUCATION_PROGRAMME = "education-programme", "Education programme"
    SECURITY_RESEARCH_PROGRAMME = "security-research-programme", "Security research programme"
    STARTUP_PROGRAMME = "startup-programme", "Start-up programme"
    CLOUD_MARKETPLACE = "cloud-marketplace", "Cloud marketplace"
    API_AGGREGATOR = "api-aggregator", "API aggregator"
    COMMERCIAL_PROXY = "commercial-proxy", "Commercial proxy"
    STOLEN_CREDENTIAL = "stolen-credential", "Stolen credential"
    PRODUCT_RELAY = "product-relay", "Relay through a product"
    OTHER = "other", "Other"


class DetectionMethod(TextChoices):
    """`detection-method-enum`, closed: `method` of a detection context."""

    RULE = "rule", "Rule"
    BEHAVIORAL = "behavioral", "Behavioural"
    STATISTICAL = "statistical", "Statistical"
    LEARNING = "learning", "Learning"
    FINGERPRINTING = "fingerprinting", "Fingerprinting"
    TAGGING = "tagging", "Tagging"
    KEYWORD_MATCH = "keyword-match", "Keyword match"
    REGULAR_EXPRESSIONS = "regular-expressions", "Regular expressions"
    EXACT_DATA_MATCH = "exact-data-match", "Exact data match"
    PARTIAL_DATA_MATCH = "partial-data-match", "Partial data match"
    INDEXED_DATA_MATCH = "indexed-data-match", "Indexed data match"
    MANUAL_ANALYSIS = "manual-analysis", "Manual analysis"
    OTHER = "other", "Other"


class EvidenceFamily(TextChoices):
    """`evidence-family-enum`, closed: `evidence_families` of a detection context."""

    IDENTITY = "identity", "Identity"
    PAYMENT = "payment", "Payment"
    NETWORK = "network", "Network"
    TIMING = "timing", "Timing"
    CONTENT = "content", "Content"
    VOLUME = "volume", "Volume"
    MODEL_RELEASE = "model-release", "Model release"
    METADATA = "metadata", "Metadata"
    OFF_PLATFORM = "off-platform", "Off platform"


class TrafficFeature(TextChoices):
    """`traffic-feature-ov`, open: the keys of `features`; the schema gives each one's unit."""

    ACCOUNT_SYNCHRONY = "account_synchrony", "Account synchrony"
    LOAD_BALANCE_EVENNESS = "load_balance_evenness", "Evenness of load balancing"
    PROMPT_SIMILARITY = "prompt_similarity", "Prompt similarity"
    CAPABILITY_CONCENTRATION = "capability_concentration", "Concentration on one capability"
    COT_ELICITATION_RATE = "cot_elicitation_rate", "Rate of chain-of-thought elicitation"
    QUERY_DISTRIBUTION_DISTANCE = "query_distribution_distance", "Distance of the query distribution"
    ACCOUNTS_PER_PAYMENT_METHOD = "accounts_per_payment_method", "Accounts per payment method"
    ACCOUNT_REPLACEMENT_RATE = "account_replacement_rate", "Account replacement rate"
    RAMP_HOURS = "ramp_hours", "Hours to full use"
    USAGE_TO_PLAN_RATIO = "usage_to_plan_ratio", "Usage by the plan's expected usage"
    IDLE_HOURS_PER_DAY = "idle_hours_per_day", "Idle hours a day"
    DISTINCT_IPS_PER_ACCOUNT = "distinct_ips_per_account", "Distinct addresses per account"
    FAILOVER_MINUTES = "failover_minutes", "Minutes to failover"
    UNRELATED_TRAFFIC_SHARE = "unrelated_traffic_share", "Share of unrelated traffic"
    NEW_MODEL_SHARE = "new_model_share", "Share of the newest model"
    HOURS_SINCE_MODEL_RELEASE = "hours_since_model_release", "Hours since the model's release"


class BlindedSubject(TextChoices):
    """What a blinded identifier stands for; closed."""

    ACCOUNT_ID = "account-id", "Account id"
    ORGANIZATION_ID = "organization-id", "Organisation id"
    EMAIL_ADDRESS = "email-address", "E-mail address"
    PAYMENT_METHOD = "payment-method", "Payment method"
    PHONE_NUMBER = "phone-number", "Phone number"
    DEVICE_ID = "device-id", "Device id"
    API_KEY = "api-key", "API key"


class BlindingScheme(TextChoices):
    """How an identifier was blinded; closed."""

    HMAC_SHA_256 = "hmac-sha-256", "HMAC-SHA-256"
    OPRF_HMAC_SHA_256 = "oprf-hmac-sha-256", "OPRF, then HMAC-SHA-256"


class PromptRole(TextChoices):
    """The message role that carries a prompt template; closed."""

    SYSTEM = "system", "System"
    USER = "user", "User"
    ASSISTANT = "assistant", "Assistant"
    TOOL = "tool", "Tool"
