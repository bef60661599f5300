"""What comes in other clothes than STIX, and from other servers: adapters with I/O, but without ORM."""
