"""What ``scripts/bench`` runs.  Nothing else imports it."""
