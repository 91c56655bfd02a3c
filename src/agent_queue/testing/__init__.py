"""For outsiders who write an adapter: contracts it must pass, and honest fakes of the other ports."""
