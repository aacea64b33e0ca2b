FROM reg.test:5000/python:3.11 AS prepared

FROM prepared
COPY . /opt/runwright/code/
ENV PYTHONPATH=/opt/runwright/code${PYTHONPATH:+:$PYTHONPATH}
ENV A="1"
ENV COLOUR="a \"b\" \$c \\d"
