!abcXYZ09 ~
{"harbour.example":{"fruit/pear":[{"signature-sha-1":"437129213f9922c76fcad039ea9fa6509b7a4ec2","version":"5.0,5.11-1:20240102T030405Z"}],"sea/boat":[{"signature-sha-1":"505c8168c123e38cfec3a0ef9e88b315851015ed","version":"1.0,5.11-1:20240102T030405Z"}]},"_SIGNATURE":{"sha-1":"8d696708a08cef6b0948dcd215aa958167a632fb"}}
