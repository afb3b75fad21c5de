!abcXYZ09 ~
{"harbour.example":{"fruit/pear":[{"actions":["set name=pkg.summary value=\"Another publisher's pear\""],"version":"5.0,5.11-1:20240102T030405Z"}],"sea/boat":[{"actions":["set name=pkg.summary value=\"Only here\""],"version":"1.0,5.11-1:20240102T030405Z"}]},"_SIGNATURE":{"sha-1":"513c7aacbf06ade77a713f493b993942b05eb535"}}
