create table visitors (name text); insert into visitors values ('from the schema');
