"""What each kind of move makes of a form: a plan, which writes nothing, as its page shows it and a job runs it."""
