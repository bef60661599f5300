"""A withdrawal holds from its commit on: until then readers were given what it erases, however long it took."""

from django.db import migrations

# `at` as it is inserted is the time when the transaction began; by how much it is later is known when it ends.
COMMITTED = """
CREATE FUNCTION sharing_withdrawal_committed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sharing_withdrawal SET at = at + (clock_timestamp() - transaction_timestamp())
    WHERE collection_id = NEW.collection_id AND index = NEW.index;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER sharing_withdrawal_committed AFTER INSERT ON sharing_withdrawal
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sharing_withdrawal_committed();
"""
UNDO = """
DROP TRIGGER sharing_withdrawal_committed ON sharing_withdrawal;
DROP FUNCTION sharing_withdrawal_committed();
"""


class Migration(migrations.Migration):
    dependencies = [("sharing", "0015_submitters")]

    operations = [migrations.RunSQL(COMMITTED, UNDO)]
