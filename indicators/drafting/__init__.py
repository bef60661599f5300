"""What analysts write at the desk: its forms by STIX type, STIX out of them and into them, and the pattern builder."""
