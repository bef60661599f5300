from django.db import migrations, models

# Whose word counts when a proposal is made, and both words when it is confirmed: active analysts and admins of the
# operator's. Who was switched off or has another role since counts for nobody.
GUARD = """
CREATE FUNCTION accounts_decides(person bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT 1 FROM accounts_member m LEFT JOIN accounts_organization o ON o.id = m.organization_id
    WHERE m.id = person AND m.is_active
    AND (m.is_superuser OR o.sector = 'operator' AND m.role IN ('analyst', 'admin')))
$$;
CREATE FUNCTION sharing_proposal_people_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT accounts_decides(NEW.proposed_by_id)
     OR NEW.state = 'confirmed' AND NOT coalesce(accounts_decides(NEW.decided_by_id), false) THEN
    RAISE EXCEPTION 'a proposal takes analysts of the operator' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER sharing_proposal_made_by BEFORE INSERT ON sharing_proposal
  FOR EACH ROW EXECUTE FUNCTION sharing_proposal_people_guard();
CREATE TRIGGER sharing_proposal_confirmed_by BEFORE UPDATE OF state ON sharing_proposal
  FOR EACH ROW WHEN (OLD.state = 'open' AND NEW.state = 'confirmed')
  EXECUTE FUNCTION sharing_proposal_people_guard();
"""

UNDO = """
DROP TRIGGER sharing_proposal_confirmed_by ON sharing_proposal;
DROP TRIGGER sharing_proposal_made_by ON sharing_proposal;
DROP FUNCTION sharing_proposal_people_guard();
DROP FUNCTION accounts_decides(bigint);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_sign_in"),
        ("sharing", "0006_polls_and_counts"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.CheckConstraint(
                condition=models.Q(stated_tlp__isnull=True) | models.Q(stated_tlp__lt=4),
                name="proposal_leaves_red",
            ),
        ),
        migrations.RunSQL([GUARD], [UNDO]),
    ]
