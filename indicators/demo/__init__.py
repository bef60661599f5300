"""The demo content: two STIX bundles about distillation campaigns, one of public facts, one made up."""
