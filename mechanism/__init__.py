"""How rules are made: principals, the SWM-AP loop, baselines, evaluation."""
