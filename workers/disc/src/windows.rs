//! What Windows reads: Setup and sysprep look for `Autounattend.xml` and `Unattend.xml` at the root
//! of removable media that are read only (Microsoft, "Windows Setup Automation Overview", implicit
//! answer file search order). Setup of a blank machine takes the first, in its passes windowsPE and
//! offlineServicing, and keeps it for those that follow; a machine that was generalised takes the
//! second, in specialize.

use crate::disc::Disc;
use crate::quoted::xml;

/// The name is all that it says ("Microsoft-Windows-Shell-Setup", `ComputerName`): all else stays
/// as whoever made the image has it, or is asked for on the screen.
pub(crate) fn answers(disc: &Disc) -> Vec<u8> {
    let name = xml(&disc.hostname);
    let text = format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="urn:schemas-microsoft-com:unattend">
  <settings pass="specialize">
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">
      <ComputerName>{name}</ComputerName>
    </component>
  </settings>
</unattend>
"#
    );
    // As Windows ends lines.
    text.replace('\n', "\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::answers;
    use crate::disc::example::disc;

    #[test]
    fn the_name_is_in_its_pass() {
        let answers = String::from_utf8(answers(&disc())).expect("UTF-8");
        let mut reader = Reader::from_str(&answers);
        let (mut path, mut found) = (Vec::new(), None);
        loop {
            let event = reader.read_event().expect("XML");
            if let Event::Start(start) = &event {
                let pass = start.try_get_attribute("pass").expect("attributes");
                let pass = pass.map(|it| format!("={}", it.value)).unwrap_or_default();
                path.push(start.name().as_ref().to_owned() + &pass);
            } else if let Event::Text(text) = &event
                && path.last().is_some_and(|it| it == "ComputerName")
            {
                found = Some((path.join("/"), text.to_string()));
            } else if let Event::End(_) = &event {
                path.pop();
            } else if let Event::Eof = &event {
                break;
            }
        }
        let at = "unattend/settings=specialize/component/ComputerName".to_owned();
        assert_eq!(found, Some((at, "win11-001".to_owned())));
    }
}
