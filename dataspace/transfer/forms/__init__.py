"""The forms of answers, a journey each: what is asked is read, decided on, computed and told."""
