"""What one person could do in one statement or one file takes two people.

A file brought in by hand lowers no TLP of the operator's claims, and no approval changes how wide its case is.
"""

from django.db import migrations

CLAIMS = """
CREATE OR REPLACE FUNCTION indicators_claim_tlp_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    RAISE EXCEPTION 'a claim does not begin below what its source marked it' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.stated_tlp <> OLD.stated_tlp AND NEW.body = OLD.body AND NEW.submission_id = OLD.submission_id THEN
    RAISE EXCEPTION 'what a source marked changes only with what it sends' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.stated_tlp <> OLD.stated_tlp AND (NEW.stated_tlp < OLD.stated_tlp OR NEW.tlp < OLD.tlp) AND EXISTS (
      SELECT 1 FROM indicators_submission s JOIN accounts_organization o ON o.id = s.organization_id
      WHERE s.id = NEW.submission_id AND s.member_id IS NOT NULL AND o.sector = 'operator') THEN
    RAISE EXCEPTION 'claim %: nobody lowers its TLP alone, by a file', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.tlp < NEW.stated_tlp OR (NEW.tlp < OLD.tlp AND NEW.stated_tlp = OLD.stated_tlp) THEN
    IF NOT EXISTS (
        SELECT 1 FROM sharing_proposal WHERE kind = 'lower-tlp' AND state = 'confirmed' AND claim_id = NEW.id
        AND tlp = NEW.tlp AND stated_tlp = NEW.stated_tlp) THEN
      RAISE EXCEPTION 'claim %: lowering its TLP takes a proposal that a second person confirmed', NEW.id
        USING ERRCODE = 'check_violation';
    END IF;
  END IF;
  UPDATE sharing_proposal SET state = 'over' WHERE kind = 'lower-tlp' AND claim_id = NEW.id
    AND (state = 'confirmed' AND (tlp, stated_tlp) <> (NEW.tlp, NEW.stated_tlp)
         OR state = 'open' AND (stated_tlp <> NEW.stated_tlp OR tlp >= NEW.tlp));
  RETURN NEW;
END $$;
"""

CLAIMS_BEFORE = """
CREATE OR REPLACE FUNCTION indicators_claim_tlp_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    RAISE EXCEPTION 'a claim does not begin below what its source marked it' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.stated_tlp <> OLD.stated_tlp AND NEW.body = OLD.body AND NEW.submission_id = OLD.submission_id THEN
    RAISE EXCEPTION 'what a source marked changes only with what it sends' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.tlp < NEW.stated_tlp OR (NEW.tlp < OLD.tlp AND NEW.stated_tlp = OLD.stated_tlp) THEN
    IF NOT EXISTS (
        SELECT 1 FROM sharing_proposal WHERE kind = 'lower-tlp' AND state = 'confirmed' AND claim_id = NEW.id
        AND tlp = NEW.tlp AND stated_tlp = NEW.stated_tlp) THEN
      RAISE EXCEPTION 'claim %: lowering its TLP takes a proposal that a second person confirmed', NEW.id
        USING ERRCODE = 'check_violation';
    END IF;
  END IF;
  UPDATE sharing_proposal SET state = 'over' WHERE kind = 'lower-tlp' AND claim_id = NEW.id
    AND (state = 'confirmed' AND (tlp, stated_tlp) <> (NEW.tlp, NEW.stated_tlp)
         OR state = 'open' AND (stated_tlp <> NEW.stated_tlp OR tlp >= NEW.tlp));
  RETURN NEW;
END $$;
"""

# The guard of releases (0005) asks how wide the case is: whoever approves it does not say that.
REVIEWS = """
CREATE FUNCTION sharing_review_width_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'review %: its blast radius and limit are not changed by who decides', NEW.id
    USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER sharing_review_width BEFORE UPDATE ON sharing_review FOR EACH ROW
  WHEN (NEW.state <> 'pending' AND (NEW.blast_radius, NEW.blast_limit) <> (OLD.blast_radius, OLD.blast_limit))
  EXECUTE FUNCTION sharing_review_width_guard();
"""

UNDO = """
DROP TRIGGER sharing_review_width ON sharing_review;
DROP FUNCTION sharing_review_width_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("indicators", "0020_by_hand"), ("sharing", "0016_withdrawn_at_commit")]

    operations = [migrations.RunSQL([CLAIMS, REVIEWS], [UNDO, CLAIMS_BEFORE])]
