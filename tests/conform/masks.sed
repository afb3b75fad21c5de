# masks.sed - what may differ between two runs: times, processes, contracts, the site of messages, the
# section of smf in the manual.
s/[ 0-9][0-9]:[0-9][0-9]:[0-9][0-9]/HH:MM:SS/g
s/[A-Z][a-z][a-z] [A-Z][a-z][a-z] [ 0-9][0-9] *HH:MM:SS [0-9][0-9][0-9][0-9]/DATE/g
s/\[ [A-Z][a-z][a-z] [ 0-9][0-9] *HH:MM:SS /[ TIME /
s/Killing contract [0-9]*/Killing contract N/
s/^|contract_id  [0-9][0-9 ]*$/|contract_id  N/
s/^|process      [0-9][0-9]* /|process      N /
s/^|               HH:MM:SS  *[0-9][0-9]* /|               HH:MM:SS N /
s/smf(7)/smf(5)/g
s,https*://[a-z.]*/msg/,http://illumos.org/msg/,
