import protobuf from 'protobufjs';

export const { root } = protobuf.parse(`
  syntax = "proto3";
  package bench;
  message Record {
    int32 id = 1;
    string name = 2;
    string email = 3;
    bool active = 4;
    double score = 5;
    repeated string tags = 6;
    double created = 7;
  }
  message Records { repeated Record records = 1; }
  message Binary { bytes bytes = 1; }
  service Echo {
    rpc EchoRecord(Record) returns (Record);
    rpc EchoRecords(Records) returns (Records);
    rpc EchoBinary(Binary) returns (Binary);
  }
`);

export const MESSAGES = { record: 'Record', records: 'Records', binary: 'Binary' };

export const toMessage = {
  record: (value) => value,
  records: (value) => ({ records: value }),
  binary: (value) => ({ bytes: value }),
};
export const toValue = {
  record: (message) => message,
  records: ({ records }) => records,
  binary: ({ bytes }) => bytes,
};

export const typeOf = (form) => root.lookupType(`bench.${MESSAGES[form]}`);

export const encoded = ({ form, value }) => typeOf(form).encode(toMessage[form](value)).finish();
