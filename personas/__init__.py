"""Who the agents are: persona and population files, their schema, sampling and wording."""
