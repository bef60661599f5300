"""What one person could do in one statement or one file takes two people.

A file that the operator's people bring in, for whomever, lowers no TLP; a case is opened before it is approved, stays
about one release, and no approval changes how wide it is.
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
  IF NEW.stated_tlp <> OLD.stated_tlp AND NEW.tlp < OLD.tlp AND EXISTS (
      SELECT 1 FROM indicators_submission s JOIN accounts_member m ON m.id = s.member_id
      LEFT JOIN accounts_organization o ON o.id = m.organization_id
      WHERE s.id = NEW.submission_id AND (m.is_superuser OR o.sector = 'operator')) THEN
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
CREATE FUNCTION sharing_review_case_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'review %: a case is opened before it is approved, and stays about one release', NEW.id
    USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER sharing_review_made BEFORE INSERT ON sharing_review FOR EACH ROW
  WHEN (NEW.state = 'approved') EXECUTE FUNCTION sharing_review_case_guard();
CREATE TRIGGER sharing_review_moved BEFORE UPDATE ON sharing_review FOR EACH ROW
  WHEN (NEW.release_id <> OLD.release_id) EXECUTE FUNCTION sharing_review_case_guard();
"""

UNDO = """
DROP TRIGGER sharing_review_moved ON sharing_review;
DROP TRIGGER sharing_review_made ON sharing_review;
DROP FUNCTION sharing_review_case_guard();
DROP TRIGGER sharing_review_width ON sharing_review;
DROP FUNCTION sharing_review_width_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("indicators", "0020_by_hand"), ("sharing", "0016_withdrawn_at_commit")]

    operations = [migrations.RunSQL([CLAIMS, REVIEWS], [UNDO, CLAIMS_BEFORE])]
